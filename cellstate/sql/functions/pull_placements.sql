-- What a worker's machines hold, for those whose version it does not know. Raises OM001 for an old token.
-- Parameters: worker, token, the machines and versions of the last answer applied. Rows: one a placement, or one
-- with a null job for a machine that holds nothing; by machine, job, index. Locks: none; one statement, one view.
-- Index: machine_worker_id_index, placement_machine_id_index, job_pkey. Most pulls are about a few of the machines, which
-- no planner can know: OFFSET 0 keeps it from reading all that all of them hold, or all jobs, for one big join.
CREATE FUNCTION pull_placements(p_worker bigint, p_token bigint, p_machine bigint[], p_version bigint[])
RETURNS TABLE (
    machine_id bigint, version bigint, machine_epoch bigint, job_id bigint, first_index bigint, count int, attempt int,
    failures int, lost int, epoch bigint, cpu_milli bigint, memory_bytes bigint, disk_bytes bigint, gpu_milli bigint,
    custom jsonb, running boolean, stop text, placed_at double precision, devices bigint, preempted_by bigint,
    ports jsonb)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM check_worker(p_worker, p_token);
    RETURN QUERY
    SELECT m.machine_id, m.version, m.epoch, p.job_id, p.first_index, p.count, p.attempt, p.failures, p.lost, p.epoch,
           p.cpu_milli, p.memory_bytes, p.disk_bytes, j.gpu_milli, j.custom, p.running, p.stop,
           extract(epoch FROM p.placed_at)::double precision, p.devices, p.preempted_by, p.ports
    FROM machine m
    LEFT JOIN unnest(p_machine, p_version) AS k(id, seen) ON k.id = m.machine_id
    LEFT JOIN LATERAL (
        SELECT * FROM placement q WHERE q.machine_id = m.machine_id AND q.epoch = m.epoch OFFSET 0
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT i.gpu_milli, i.custom FROM job i WHERE i.job_id = p.job_id AND p.preempted_by IS NULL OFFSET 0
    ) j ON true
    WHERE m.worker_id = p_worker AND m.up AND m.version IS DISTINCT FROM k.seen
    ORDER BY m.machine_id, p.job_id, p.first_index;
END
$$;
