-- Notes what people want of a scheduler, for its next renewal. Parameters: its name; wanted and policy, null for as before.
-- Returns its id. Raises OM002 for an unknown name. Locks: the scheduler's row.
CREATE FUNCTION control_scheduler(p_name text, p_wanted text, p_policy text) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_id bigint;
BEGIN
    UPDATE scheduler s SET wanted = coalesce(p_wanted, s.wanted), policy = coalesce(p_policy, s.policy)
    WHERE s.name = p_name RETURNING s.scheduler_id INTO v_id;
    IF v_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'OM002', MESSAGE = format(
            'scheduler %s does not exist in this cell; omega schedulers lists those that do', p_name);
    END IF;
    RETURN v_id;
END
$$;
