-- Makes the caller the current incarnation of a scheduler name; its earlier claims go back to the queue, and a drain is over.
-- Rows: one (scheduler_id, token, expires_at). Locks: its claimed jobs by id, then the scheduler's row (as commit).
CREATE FUNCTION register_scheduler(p_name text, p_kind text, p_lease double precision)
RETURNS TABLE (scheduler_id bigint, token bigint, expires_at double precision)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_id bigint;
    v_token bigint := nextval('token_sequence');
    v_expires timestamptz := cell_now() + make_interval(secs => p_lease);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('scheduler' || chr(31) || p_name, 20131));
    SELECT s.scheduler_id INTO v_id FROM scheduler s WHERE s.name = p_name;
    IF v_id IS NOT NULL THEN
        PERFORM release_claims(v_id);
        UPDATE scheduler s
        SET kind = p_kind, token = v_token, lease_seconds = p_lease, expires_at = v_expires, registered_at = cell_now(),
            transactions_succeeded = 0, transactions_failed = 0, claims = 0, claims_refused = 0, placements = 0,
            attempts = 0, busy_seconds = 0, wanted = CASE WHEN s.wanted = 'drain' THEN 'run' ELSE s.wanted END
        WHERE s.scheduler_id = v_id;
    ELSE
        INSERT INTO scheduler (name, kind, token, lease_seconds, expires_at, registered_at)
        VALUES (p_name, p_kind, v_token, p_lease, v_expires, cell_now()) RETURNING scheduler.scheduler_id INTO v_id;
    END IF;
    RETURN QUERY SELECT v_id, v_token, extract(epoch FROM v_expires)::double precision;
END
$$;
