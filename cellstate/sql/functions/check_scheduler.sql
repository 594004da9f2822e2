-- Raises OM001 unless the token is the scheduler's current one. Locks: none; compares tokens, never clocks.
CREATE FUNCTION check_scheduler(p_scheduler bigint, p_token bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM scheduler s WHERE s.scheduler_id = p_scheduler AND s.token = p_token AND s.token <> 0) THEN
        RAISE EXCEPTION USING ERRCODE = 'OM001', MESSAGE = format(
            'scheduler %s: token %s is not the current one; a newer incarnation took over, so this one must stop',
            p_scheduler, p_token);
    END IF;
END
$$;
