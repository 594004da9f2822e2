-- Runs again what has no result in a job that has failed. Parameters: job, and the caller's id of this request, which
-- has no effect a second time. Raises OM002, and OM004 for a job that was
-- cancelled or has not ended. Locks: the job. What a purge has dropped stays counted as failed.
-- Index: cell_log_txn_id_index.
CREATE FUNCTION retry_failed(p_job bigint, p_txn uuid) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_state job_state := lock_job(p_job);
    v_now timestamptz := cell_now();
    v_again bigint;
BEGIN
    IF v_state.state = 'succeeded' OR EXISTS (SELECT FROM cell_log l WHERE l.txn_id = p_txn) THEN
        RETURN;
    END IF;
    IF v_state.state <> 'failed' THEN
        RAISE EXCEPTION USING ERRCODE = 'OM004', MESSAGE = format(
            'job j%s is %s; expected one that has failed: %s', p_job, v_state.state,
            CASE v_state.state WHEN 'cancelled' THEN 'submit it again' ELSE 'wait for its end first' END);
    END IF;
    WITH again AS (
        UPDATE outcome o SET final = false
        WHERE o.job_id = p_job AND o.final AND o.state <> 'succeeded'
        RETURNING o.task_index, o.attempt
    ), island AS (
        SELECT a.task_index, a.attempt, a.task_index - row_number() OVER (PARTITION BY a.attempt ORDER BY a.task_index) AS n
        FROM again a
    ), put AS (
        INSERT INTO retry (job_id, first_index, count, attempt, failures, lost, not_before)
        SELECT p_job, min(i.task_index), count(*), i.attempt + 1, 0, 0, v_now FROM island i GROUP BY i.attempt, i.n
    )
    SELECT count(*) INTO v_again FROM again;
    UPDATE job_state s
    SET state = 'pending', cancel_requested = false, failing = false, reason = '', ended_at = NULL,
        failed = s.failed + s.cancelled - s.never_placed - v_again, cancelled = 0, never_placed = 0, fruitless = 0, conflicts = 0
    WHERE s.job_id = p_job;
    PERFORM requeue_jobs(ARRAY[p_job], ARRAY[v_now]);
    PERFORM log_jobs('changed', ARRAY[p_job], 'retried', p_txn);
    -- Where nothing can run again, as all of it was purged, it has ended as before.
    PERFORM fold_jobs(ARRAY[p_job], true);
END
$$;
