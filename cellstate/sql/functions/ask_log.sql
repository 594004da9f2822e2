-- Asks a worker for a piece of a log; forgets all that was asked more than a minute ago. Returns the request's id.
-- Parameters: the worker, the attempt, the byte of each stream to begin at. Raises OM002 for an unknown worker.
-- Locks: the rows forgotten, unless a rival forgets them. Sent twice, it asks twice: the first is forgotten in its time.
CREATE FUNCTION ask_log(
    p_worker bigint, p_job bigint, p_task bigint, p_attempt int, p_stdout_from bigint, p_stderr_from bigint
) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_id bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    IF NOT EXISTS (SELECT FROM worker w WHERE w.worker_id = p_worker) THEN
        RAISE EXCEPTION USING ERRCODE = 'OM002',
            MESSAGE = format('worker %s does not exist in this cell; ask one that does', p_worker);
    END IF;
    DELETE FROM log_request r WHERE r.request_id IN (
        SELECT o.request_id FROM log_request o WHERE o.asked_at <= cell_now() - interval '1 minute'
        FOR UPDATE SKIP LOCKED);
    INSERT INTO log_request (worker_id, job_id, task_index, attempt, stdout_from, stderr_from, asked_at)
    VALUES (p_worker, p_job, p_task, p_attempt, p_stdout_from, p_stderr_from, cell_now())
    RETURNING request_id INTO v_id;
    RETURN v_id;
END
$$;
