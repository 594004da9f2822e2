-- Cordons a machine (or lifts the cordon) and, where asked, tells what it holds to stop and run elsewhere.
-- Parameters: name, schedulable from now on, evict. Returns the machine's id. Raises OM002 for an unknown name.
-- Locks: the machine, then its placements.
CREATE FUNCTION drain_machine(p_name text, p_schedulable boolean, p_evict boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_id bigint;
    v_changed boolean;
    v_evicted boolean := false;
BEGIN
    SELECT f.machine_id INTO v_id FROM machine_fact f WHERE f.name = p_name;
    IF v_id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'OM002',
            MESSAGE = format('machine %s does not exist in this cell; omega machines lists those that do', p_name);
    END IF;
    SELECT m.schedulable <> p_schedulable INTO v_changed FROM machine m WHERE m.machine_id = v_id FOR UPDATE;
    IF p_evict THEN
        UPDATE placement p SET stop = 'preempt' WHERE p.machine_id = v_id AND p.stop = '';
        v_evicted := FOUND;
    END IF;
    IF v_changed OR v_evicted THEN
        UPDATE machine m
        SET schedulable = p_schedulable, version = m.version + 1, claim_sequence = m.claim_sequence + v_changed::int
        WHERE m.machine_id = v_id;
        PERFORM log_machines(CASE WHEN p_schedulable THEN 'uncordon' ELSE 'drain' END, ARRAY[v_id]);
    END IF;
    RETURN v_id;
END
$$;
