-- Extends a worker's lease; returns when it ends. Raises OM001 for an old token. Locks: the worker's row.
CREATE FUNCTION renew_worker(p_worker bigint, p_token bigint) RETURNS double precision
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_expires timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE worker w SET expires_at = cell_now() + make_interval(secs => w.lease_seconds)
    WHERE w.worker_id = p_worker AND w.token = p_token RETURNING w.expires_at INTO v_expires;
    IF v_expires IS NULL THEN
        PERFORM check_worker(p_worker, p_token);
    END IF;
    RETURN extract(epoch FROM v_expires);
END
$$;
