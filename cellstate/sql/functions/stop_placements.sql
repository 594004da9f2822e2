-- Tells what jobs hold to stop: of some everything, because they were cancelled, of others what has no stop yet, to start
-- again together. Parameters: jobs, whose rows of job_state the caller has locked. Locks: the machines of
-- all of them by id, then the placements: one call for both, as a second one would come to lower machines again.
CREATE FUNCTION stop_placements(p_cancel bigint[], p_preempt bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_machines bigint[];
BEGIN
    SELECT array_agg(DISTINCT p.machine_id) INTO v_machines
    FROM placement p
    WHERE (p.job_id = ANY (p_cancel) AND p.stop <> 'cancel') OR (p.job_id = ANY (p_preempt) AND p.stop = '');
    IF v_machines IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM machine m WHERE m.machine_id = ANY (v_machines) ORDER BY m.machine_id FOR UPDATE;
    WITH stopped AS (
        UPDATE placement p SET stop = CASE WHEN p.job_id = ANY (p_cancel) THEN 'cancel' ELSE 'preempt' END
        WHERE (p.job_id = ANY (p_cancel) AND p.stop <> 'cancel') OR (p.job_id = ANY (p_preempt) AND p.stop = '')
        RETURNING p.machine_id
    )
    SELECT array_agg(DISTINCT s.machine_id) INTO v_machines FROM stopped s;
    UPDATE machine m SET version = m.version + 1 WHERE m.machine_id = ANY (v_machines);
END
$$;
