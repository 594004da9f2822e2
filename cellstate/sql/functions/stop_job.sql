-- Ends a job's wish for places: nothing unnumbered or waiting is placed any more, and, where asked, what it
-- holds is told to stop. Does nothing to a final job. Resources are freed by the worker's report alone.
-- Parameters: job, the reason shown to people, whether it then ends as failed, whether to stop its placements.
-- Returns whether jobs that come after it are due (release_jobs).
-- Locks: the job, then its machines by id, then its placements.
CREATE FUNCTION stop_job(p_job bigint, p_reason text, p_failing boolean, p_stop_placements boolean) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM lock_job(p_job);
    IF withdraw_jobs(ARRAY[p_job], ARRAY[p_reason], p_failing) = '{}' THEN
        RETURN false;
    END IF;
    IF p_stop_placements THEN
        PERFORM stop_placements(ARRAY[p_job], '{}');
    END IF;
    -- After its machines are locked: who reserves one of them in place of a reservation that ended has locked it first.
    DELETE FROM reservation r WHERE r.job_id = p_job;
    RETURN (SELECT f.due FROM fold_jobs(ARRAY[p_job], true) f);
END
$$;
