-- Forgets jobs that ended before a time, some at once, with what is kept of them; their outcomes go with the
-- partitions they are in. Parameters: the time, how many at most. Returns how many. Locks: those jobs, SKIP LOCKED.
CREATE FUNCTION purge_jobs(p_before double precision, p_limit int) RETURNS int
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_jobs bigint[];
BEGIN
    SELECT array_agg(l.job_id) INTO v_jobs FROM (
        SELECT s.job_id FROM job_state s
        WHERE s.state IN ('succeeded', 'failed', 'cancelled') AND s.ended_at < to_timestamp(p_before)
          AND NOT EXISTS (SELECT FROM job_delta d WHERE d.job_id = s.job_id)
          AND NOT EXISTS (SELECT FROM dependency d WHERE d.parent_job = s.job_id)
        ORDER BY s.job_id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ) l;
    IF v_jobs IS NULL THEN
        RETURN 0;
    END IF;
    DELETE FROM job_state s WHERE s.job_id = ANY (v_jobs);
    DELETE FROM job_explanation e WHERE e.job_id = ANY (v_jobs);
    DELETE FROM task_input i WHERE i.job_id = ANY (v_jobs);
    DELETE FROM preemption p WHERE p.winner_job = ANY (v_jobs) OR p.victim_job = ANY (v_jobs);
    DELETE FROM job j WHERE j.job_id = ANY (v_jobs);
    RETURN cardinality(v_jobs);
END
$$;
