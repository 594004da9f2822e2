-- A scheduler leaves in good order: its jobs go back, its token is void. Nothing happens for an old token.
-- Locks: its claimed jobs by id, then its row.
CREATE FUNCTION release_scheduler(p_scheduler bigint, p_token bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF EXISTS (SELECT FROM scheduler s WHERE s.scheduler_id = p_scheduler AND s.token = p_token) THEN
        PERFORM release_claims(p_scheduler);
        UPDATE scheduler s SET token = 0, expires_at = least(s.expires_at, cell_now())
        WHERE s.scheduler_id = p_scheduler AND s.token = p_token;
    END IF;
END
$$;
