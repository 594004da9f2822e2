-- What people want to read of a worker's logs and nobody has answered yet, oldest first. Raises OM001 for an old token.
-- Parameters: worker, token. Rows: one a request. Locks: none. Index: log_request_worker_id_index.
CREATE FUNCTION open_log_requests(p_worker bigint, p_token bigint) RETURNS TABLE (
    request_id bigint, job_id bigint, task_index bigint, attempt int, stdout_from bigint, stderr_from bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM check_worker(p_worker, p_token);
    RETURN QUERY
    SELECT r.request_id, r.job_id, r.task_index, r.attempt, r.stdout_from, r.stderr_from
    FROM log_request r
    WHERE r.worker_id = p_worker AND NOT r.answered AND r.asked_at > cell_now() - interval '1 minute'
    ORDER BY r.request_id;
END
$$;
