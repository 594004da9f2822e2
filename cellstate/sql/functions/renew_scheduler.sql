-- Extends a scheduler's lease and keeps its own totals. One row: when it ends, and what people want of the scheduler.
-- Raises OM001 for an old token.
-- Locks: the scheduler's row.
CREATE FUNCTION renew_scheduler(p_scheduler bigint, p_token bigint, p_busy double precision, p_attempts bigint)
RETURNS TABLE (expires_at double precision, wanted text, policy text)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
    UPDATE scheduler s
    SET expires_at = cell_now() + make_interval(secs => s.lease_seconds), busy_seconds = p_busy, attempts = p_attempts
    WHERE s.scheduler_id = p_scheduler AND s.token = p_token
    RETURNING extract(epoch FROM s.expires_at)::double precision, s.wanted, s.policy;
    IF NOT FOUND THEN
        PERFORM check_scheduler(p_scheduler, p_token);
    END IF;
END
$$;
