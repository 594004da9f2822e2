-- Extends a scheduler's lease and keeps its own totals; returns when it ends. Raises OM001 for an old token.
-- Locks: the scheduler's row.
CREATE FUNCTION renew_scheduler(p_scheduler bigint, p_token bigint, p_busy double precision, p_attempts bigint)
RETURNS double precision
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_expires timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE scheduler s
    SET expires_at = cell_now() + make_interval(secs => s.lease_seconds), busy_seconds = p_busy, attempts = p_attempts
    WHERE s.scheduler_id = p_scheduler AND s.token = p_token RETURNING s.expires_at INTO v_expires;
    IF v_expires IS NULL THEN
        PERFORM check_scheduler(p_scheduler, p_token);
    END IF;
    RETURN extract(epoch FROM v_expires);
END
$$;
