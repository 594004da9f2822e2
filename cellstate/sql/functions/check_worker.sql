-- Raises OM001 unless the token is the worker's current one. Locks: none; compares tokens, never clocks.
CREATE FUNCTION check_worker(p_worker bigint, p_token bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM worker w WHERE w.worker_id = p_worker AND w.token = p_token AND w.token <> 0) THEN
        RAISE EXCEPTION USING ERRCODE = 'OM001', MESSAGE = format(
            'worker %s: token %s is not the current one; a newer incarnation took over or the lease ended, '
            'so this one must stop its tasks', p_worker, p_token);
    END IF;
END
$$;
