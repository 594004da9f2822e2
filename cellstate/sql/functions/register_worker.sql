-- Makes the caller the current incarnation of a worker name. Rows: one (worker_id, token, expires_at, jobs to fold).
-- Parameters: who it is, lease, the token of an earlier incarnation it has proven dead (0: none). Raises OM005
-- while another process holds the name. Locks: machines by id, then the worker's row.
CREATE FUNCTION register_worker(
    p_name text, p_host text, p_boot_id text, p_pid bigint, p_log_directory text, p_address text,
    p_lease double precision, p_replace_token bigint
) RETURNS TABLE (worker_id bigint, token bigint, expires_at double precision, jobs bigint[])
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_old worker;
    v_id bigint;
    v_token bigint;
    v_jobs bigint[] := '{}';
    v_expires timestamptz := cell_now() + make_interval(secs => p_lease);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('worker' || chr(31) || p_name, 20131));
    SELECT * INTO v_old FROM worker w WHERE w.name = p_name;
    IF v_old.worker_id IS NOT NULL THEN
        IF v_old.expires_at > cell_now() AND v_old.token <> p_replace_token
           AND (v_old.host, v_old.boot_id, v_old.pid) IS DISTINCT FROM (p_host, p_boot_id, p_pid) THEN
            RAISE EXCEPTION USING ERRCODE = 'OM005', MESSAGE = format(
                'worker %s: process %s on %s holds the name until its lease ends in %s s; stop it, wait, or choose '
                'another name', p_name, v_old.pid, v_old.host,
                ceil(extract(epoch FROM v_old.expires_at - cell_now())));
        END IF;
        v_jobs := lose_worker(v_old.worker_id);
    END IF;
    v_token := nextval('token_sequence');
    IF v_old.worker_id IS NOT NULL THEN
        v_id := v_old.worker_id;
        UPDATE worker w
        SET host = p_host, boot_id = p_boot_id, pid = p_pid, log_directory = p_log_directory, address = p_address,
            token = v_token, lease_seconds = p_lease, expires_at = v_expires
        WHERE w.worker_id = v_id;
    ELSE
        INSERT INTO worker (name, host, boot_id, pid, log_directory, address, token, lease_seconds, expires_at)
        VALUES (p_name, p_host, p_boot_id, p_pid, p_log_directory, p_address, v_token, p_lease, v_expires)
        RETURNING worker.worker_id INTO v_id;
    END IF;
    RETURN QUERY SELECT v_id, v_token, extract(epoch FROM v_expires)::double precision, v_jobs;
END
$$;
