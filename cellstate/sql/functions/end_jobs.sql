-- What follows the end of jobs: nothing hurries them any more, people hear of it, and what waits for them is to be looked
-- at. Parameters: jobs that have just become final, whose rows of job_state the caller has locked.
-- Returns whether any job waits for one of them. Locks: rows of dependency.
CREATE FUNCTION end_jobs(p_jobs bigint[]) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    DELETE FROM job_expiry e WHERE e.job_id = ANY (p_jobs);
    PERFORM log_jobs('ended', p_jobs, '');
    IF NOT EXISTS (SELECT FROM dependency d WHERE d.parent_job = ANY (p_jobs)) THEN
        RETURN false;
    END IF;
    UPDATE dependency d SET due = true
    FROM (
        SELECT e.parent_job, e.child_job FROM dependency e
        WHERE e.parent_job = ANY (p_jobs) ORDER BY e.parent_job, e.child_job FOR UPDATE
    ) w
    WHERE d.parent_job = w.parent_job AND d.child_job = w.child_job AND NOT d.due;
    RETURN true;
END
$$;
