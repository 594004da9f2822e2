-- Voids the token of a scheduler whose lease is over and gives its jobs back. Returns whether it did.
-- Locks: its claimed jobs by id, then its row, where the lease is looked at again.
CREATE FUNCTION reap_scheduler(p_scheduler bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM 1 FROM job_state s WHERE s.claimed_by = p_scheduler AND s.claimed_by <> 0 ORDER BY s.job_id FOR UPDATE;
    UPDATE scheduler s SET token = 0 WHERE s.scheduler_id = p_scheduler AND s.expires_at <= cell_now();
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM release_claims(p_scheduler);
    RETURN true;
END
$$;
