-- Voids the token of a worker whose lease is over and that holds no machine. Locks: the worker's row.
CREATE FUNCTION void_worker(p_worker bigint) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    UPDATE worker w SET token = 0 WHERE w.worker_id = p_worker AND w.expires_at <= cell_now()
$$;
