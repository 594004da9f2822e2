-- Keeps a job from being placed, or lets it be again. Parameters: job, held from now on. Raises OM002. Locks: the job.
CREATE FUNCTION hold_job(p_job bigint, p_held boolean) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_state job_state := lock_job(p_job);
BEGIN
    IF v_state.held = p_held OR v_state.state IN ('succeeded', 'failed', 'cancelled') THEN
        RETURN;
    END IF;
    UPDATE job_state s SET held = p_held, claimed_by = CASE WHEN p_held THEN 0 ELSE s.claimed_by END WHERE s.job_id = p_job;
    IF p_held THEN
        DELETE FROM job_queue q WHERE q.job_id = p_job;
    ELSE
        PERFORM requeue_jobs(ARRAY[p_job], ARRAY[cell_now()]);
    END IF;
    PERFORM log_jobs('changed', ARRAY[p_job], CASE WHEN p_held THEN 'held' ELSE 'released' END);
END
$$;
