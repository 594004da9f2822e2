-- All machines, in the form of sync_machines, with the snapshot to come back with. Locks: none; one statement.
CREATE FUNCTION load_machines() RETURNS TABLE (
    generation bigint, log_rows bigint, snapshot text, fact_machine bigint[], fact_name text[], fact_attributes text[],
    machine_id bigint[], version bigint[], claim_sequence bigint[], cpu_milli bigint[], memory_bytes bigint[],
    disk_bytes bigint[], used_cpu_milli bigint[], used_memory_bytes bigint[], used_disk_bytes bigint[],
    available boolean[], extras text)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT (SELECT c.generation FROM cell c), 0::bigint, pg_current_snapshot()::text,
           (SELECT coalesce(array_agg(f.machine_id ORDER BY f.machine_id), '{}') FROM machine_fact f),
           (SELECT coalesce(array_agg(f.name ORDER BY f.machine_id), '{}') FROM machine_fact f),
           (SELECT coalesce(array_agg(f.attributes::text ORDER BY f.machine_id), '{}') FROM machine_fact f),
           a.*
    FROM machine_arrays(ARRAY(SELECT m.machine_id FROM machine m)) a
$$;
