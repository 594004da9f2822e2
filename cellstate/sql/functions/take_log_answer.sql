-- A worker's answer to a request, which is forgotten with it. Parameters: the request. Rows: one, none while there is no
-- answer. Raises OM002 for a request that was forgotten: asked a minute ago, answered already, or lost in a crash.
-- Locks: the request. Sent twice, as after a lost answer, the second finds it forgotten; who asked asks anew.
CREATE FUNCTION take_log_answer(p_request bigint) RETURNS TABLE (
    log_found boolean, stdout bytea, stderr bytea, stdout_at bigint, stderr_at bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
    DELETE FROM log_request r
    WHERE r.request_id = p_request AND r.answered AND r.asked_at > cell_now() - interval '1 minute'
    RETURNING r.found, r.stdout, r.stderr, r.stdout_at, r.stderr_at;
    IF NOT FOUND AND NOT EXISTS (
        SELECT FROM log_request r
        WHERE r.request_id = p_request AND r.asked_at > cell_now() - interval '1 minute'
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'OM002', MESSAGE = format(
            'log request %s is forgotten: it was answered, or asked more than a minute ago; ask again', p_request);
    END IF;
END
$$;
