-- Extends the lease of an open job's client. Parameters: job, seconds from now. Returns whether there was one to extend.
-- Raises OM002. Locks: its row of job_expiry.
CREATE FUNCTION renew_job(p_job bigint, p_seconds double precision) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE job_expiry e SET at = cell_now() + make_interval(secs => p_seconds), seconds = p_seconds
    FROM job_state s
    WHERE e.job_id = p_job AND e.why = 'lease' AND s.job_id = p_job AND NOT s.cancel_requested;
    IF NOT FOUND AND NOT EXISTS (SELECT FROM job_state s WHERE s.job_id = p_job) THEN
        PERFORM lock_job(p_job);
    END IF;
    RETURN FOUND;
END
$$;
