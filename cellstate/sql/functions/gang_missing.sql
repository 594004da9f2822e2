-- How many slots a gang lacks of its minimum: what it holds and is not told to stop, and what has ended, count.
-- Counts from rows, as counters lag behind until they are folded. Parameters: job. Locks: none.
-- Index: placement_pkey, job_delta_job_id_index.
CREATE FUNCTION gang_missing(p_job bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT CASE WHEN j.gang_min = 0 THEN s.task_count ELSE j.gang_min END - s.succeeded - s.failed - s.cancelled
           - coalesce((SELECT sum(d.succeeded + d.failed + d.cancelled) FROM job_delta d WHERE d.job_id = p_job), 0)::bigint
           - coalesce((SELECT sum(p.count) FROM placement p WHERE p.job_id = p_job AND p.stop = ''), 0)::bigint
    FROM job j JOIN job_state s ON s.job_id = j.job_id WHERE j.job_id = p_job
$$;
