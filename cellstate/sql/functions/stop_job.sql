-- Ends a job's wish for places: nothing unnumbered or waiting is placed any more, and, where asked, what it
-- holds is told to stop. Does nothing to a final job. Resources are freed by the worker's report alone.
-- Parameters: job, the reason shown to people, whether to stop its placements.
-- Locks: the job, then its machines by id, then its placements.
CREATE FUNCTION stop_job(p_job bigint, p_reason text, p_stop_placements boolean) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_machines bigint[];
BEGIN
    PERFORM 1 FROM job_state s WHERE s.job_id = p_job FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'OM002',
            MESSAGE = format('job j%s does not exist in this cell; omega jobs lists those that do', p_job);
    END IF;
    UPDATE job_state s
    SET cancel_requested = true, claimed_by = 0,
        reason = CASE WHEN s.cancel_requested THEN s.reason ELSE p_reason END,
        never_placed = s.task_count - s.next_index,
        cancelled = s.cancelled + (s.task_count - s.next_index - s.never_placed)
    WHERE s.job_id = p_job AND s.state IN ('blocked', 'pending', 'running');
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM job_queue q WHERE q.job_id = p_job;

    IF p_stop_placements THEN
        SELECT array_agg(DISTINCT p.machine_id) INTO v_machines
        FROM placement p WHERE p.job_id = p_job AND p.stop <> 'cancel';
        PERFORM 1 FROM machine m WHERE m.machine_id = ANY (v_machines) ORDER BY m.machine_id FOR UPDATE;
        WITH stopped AS (
            UPDATE placement p SET stop = 'cancel' WHERE p.job_id = p_job AND p.stop <> 'cancel'
            RETURNING p.machine_id
        )
        UPDATE machine m SET version = m.version + 1 WHERE m.machine_id IN (SELECT s.machine_id FROM stopped s);
    END IF;
    -- After its machines are locked: who reserves one of them in place of a reservation that ended has locked it first.
    DELETE FROM reservation r WHERE r.job_id = p_job;
    PERFORM fold_jobs(ARRAY[p_job], true);
END
$$;
