-- A worker's answer to a request of its own; the first counts, and none where the request was forgotten.
-- Parameters: worker, token, the request, whether there is such a log, each stream's bytes and the byte they begin at.
-- Raises OM001 for an old token. Locks: the request.
CREATE FUNCTION answer_log(
    p_worker bigint, p_token bigint, p_request bigint, p_found boolean, p_stdout bytea, p_stderr bytea,
    p_stdout_at bigint, p_stderr_at bigint
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM check_worker(p_worker, p_token);
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE log_request r
    SET answered = true, found = p_found, stdout = p_stdout, stderr = p_stderr, stdout_at = p_stdout_at,
        stderr_at = p_stderr_at
    WHERE r.request_id = p_request AND r.worker_id = p_worker AND NOT r.answered
      AND r.asked_at > cell_now() - interval '1 minute';
END
$$;
