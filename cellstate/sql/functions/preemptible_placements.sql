-- What machines hold of preemptible jobs of lower priority, by machine, job and index; not what is already preempted.
-- Parameters: machines, the priority below which. Locks: none. Index: placement_machine_id_index, job_pkey.
CREATE FUNCTION preemptible_placements(p_machines bigint[], p_below bigint) RETURNS TABLE (
    machine_id bigint[], job_id bigint[], first_index bigint[], attempt bigint[], tasks bigint[], priority bigint[],
    cpu_milli bigint[], memory_bytes bigint[], disk_bytes bigint[], gpu_milli bigint[], devices bigint[], custom text[],
    placed_at double precision[])
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce(array_agg(x.machine_id), '{}'), coalesce(array_agg(x.job_id), '{}'),
           coalesce(array_agg(x.first_index), '{}'), coalesce(array_agg(x.attempt::bigint), '{}'),
           coalesce(array_agg(x.count::bigint), '{}'), coalesce(array_agg(x.priority::bigint), '{}'),
           coalesce(array_agg(x.cpu_milli), '{}'), coalesce(array_agg(x.memory_bytes), '{}'),
           coalesce(array_agg(x.disk_bytes), '{}'), coalesce(array_agg(x.gpu_milli), '{}'),
           coalesce(array_agg(coalesce(x.devices, 0)), '{}'), coalesce(array_agg(coalesce(x.custom::text, '')), '{}'),
           coalesce(array_agg(extract(epoch FROM x.placed_at)::double precision), '{}')
    FROM (
        SELECT p.*, j.priority, j.gpu_milli, j.custom
        FROM placement p JOIN job j ON j.job_id = p.job_id
        WHERE p.machine_id = ANY (p_machines) AND j.preemptible AND j.priority < p_below AND p.preempted_by IS NULL
        ORDER BY p.machine_id, p.job_id, p.first_index
    ) x
$$;
