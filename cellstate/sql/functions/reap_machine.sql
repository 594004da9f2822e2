-- Takes one machine from a worker whose lease is over; lease and owner are looked at again under the lock.
-- Parameters: machine. Returns the jobs to fold, null where there was nothing to reap. Locks: the machine (passed
-- over while a rival reaps it), placements, then the worker's row.
CREATE FUNCTION reap_machine(p_machine bigint) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_worker bigint;
BEGIN
    PERFORM 1 FROM machine m WHERE m.machine_id = p_machine FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT w.worker_id INTO v_worker
    FROM machine m JOIN worker w ON w.worker_id = m.worker_id
    WHERE m.machine_id = p_machine AND m.up AND w.expires_at <= cell_now();
    IF v_worker IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE worker w SET token = 0 WHERE w.worker_id = v_worker AND w.expires_at <= cell_now();
    IF NOT FOUND THEN
        RETURN NULL; -- renewed while we looked
    END IF;
    RETURN lose_machines(ARRAY[p_machine]);
END
$$;
