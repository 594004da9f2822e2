-- A worker leaves in good order: token void, machines down. Returns the jobs to fold; nothing for an old token.
-- Locks: its machines by id, placements, then the worker's row.
CREATE FUNCTION release_worker(p_worker bigint, p_token bigint) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_jobs bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM worker w WHERE w.worker_id = p_worker AND w.token = p_token) THEN
        RETURN '{}';
    END IF;
    v_jobs := lose_worker(p_worker);
    UPDATE worker w SET token = 0, expires_at = least(w.expires_at, cell_now())
    WHERE w.worker_id = p_worker AND w.token = p_token;
    RETURN v_jobs;
END
$$;
