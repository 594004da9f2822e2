-- The hot state of machines as parallel arrays by id, the form NumPy reads without a loop.
-- Parameters: machine ids. One row. Locks: none. Index: machine_pkey.
CREATE FUNCTION machine_arrays(p_machines bigint[]) RETURNS TABLE (
    machine_id bigint[], version bigint[], claim_sequence bigint[], cpu_milli bigint[], memory_bytes bigint[],
    disk_bytes bigint[], used_cpu_milli bigint[], used_memory_bytes bigint[], used_disk_bytes bigint[],
    available boolean[], extras text)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(array_agg(m.machine_id), '{}'), coalesce(array_agg(m.version), '{}'),
           coalesce(array_agg(m.claim_sequence), '{}'), coalesce(array_agg(m.cpu_milli), '{}'),
           coalesce(array_agg(m.memory_bytes), '{}'), coalesce(array_agg(m.disk_bytes), '{}'),
           coalesce(array_agg(m.used_cpu_milli), '{}'), coalesce(array_agg(m.used_memory_bytes), '{}'),
           coalesce(array_agg(m.used_disk_bytes), '{}'), coalesce(array_agg(m.up AND m.schedulable), '{}'),
           machine_extras(p_machines)
    FROM (SELECT * FROM machine n WHERE n.machine_id = ANY (p_machines) ORDER BY n.machine_id) m
$$;
