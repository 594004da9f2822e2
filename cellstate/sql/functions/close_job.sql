-- Lets an open job take no more tasks. Parameters: job. Returns whether jobs that come after it are due (release_jobs).
-- Raises OM004 for a service. Locks: the job.
CREATE FUNCTION close_job(p_job bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_state job_state := lock_job(p_job);
BEGIN
    IF EXISTS (SELECT FROM job j WHERE j.job_id = p_job AND j.service) THEN
        RAISE EXCEPTION USING ERRCODE = 'OM004',
            MESSAGE = format('job j%s is a service, which does not end by itself; cancel it', p_job);
    END IF;
    IF NOT v_state.open THEN
        RETURN false;
    END IF;
    UPDATE job_state s SET open = false WHERE s.job_id = p_job;
    RETURN (SELECT f.due FROM fold_jobs(ARRAY[p_job], true) f);
END
$$;
