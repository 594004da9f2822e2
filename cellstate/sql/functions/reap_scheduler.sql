-- Voids the token of a scheduler whose lease is over and gives its jobs back. Returns whether it did.
-- Locks: its claimed jobs by id, then its row, where the lease is looked at again. No job after the row, as a commit holds
-- jobs when it comes to the row: what was claimed in between is the next reap's (dead_holders names it again).
CREATE FUNCTION reap_scheduler(p_scheduler bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_jobs bigint[];
BEGIN
    SELECT array_agg(l.job_id) INTO v_jobs FROM (
        SELECT s.job_id FROM job_state s
        WHERE s.claimed_by = p_scheduler AND s.claimed_by <> 0 ORDER BY s.job_id FOR UPDATE
    ) l;
    UPDATE scheduler s SET token = 0 WHERE s.scheduler_id = p_scheduler AND s.expires_at <= cell_now();
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF v_jobs IS NOT NULL THEN
        UPDATE job_state s SET claimed_by = 0 WHERE s.job_id = ANY (v_jobs);
        PERFORM requeue_jobs(v_jobs, array_fill(cell_now(), ARRAY[cardinality(v_jobs)]));
    END IF;
    RETURN true;
END
$$;
