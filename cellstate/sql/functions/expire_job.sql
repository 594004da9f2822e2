-- Ends a job whose time is over; looked at again under the lock. Parameters: job, why. Returns whether jobs that come after it
-- are due (release_jobs). Locks: as stop_job.
CREATE FUNCTION expire_job(p_job bigint, p_why text) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_seconds double precision;
BEGIN
    PERFORM 1 FROM job_state s WHERE s.job_id = p_job FOR UPDATE;
    DELETE FROM job_expiry e WHERE e.job_id = p_job AND e.why = p_why AND e.at <= cell_now()
    RETURNING e.seconds INTO v_seconds;
    IF v_seconds IS NULL THEN
        RETURN false; -- renewed, or ended, while we looked
    END IF;
    RETURN stop_job(p_job, CASE p_why WHEN 'lease' THEN 'its program has ended'
                                      ELSE 'its deadline of ' || v_seconds || ' s has passed' END, p_why = 'deadline', true);
END
$$;
