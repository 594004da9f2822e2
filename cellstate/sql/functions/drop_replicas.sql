-- Ends so many replicas of a service: those never numbered first, then those that wait to run again, then those placed, each
-- from the highest index on. Parameters: the service's state, locked by the caller; how many. Locks: its machines by id,
-- then placements.
CREATE FUNCTION drop_replicas(p_state job_state, p_count bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_now timestamptz := cell_now();
    v_never bigint := least(p_count, p_state.task_count - p_state.next_index - p_state.never_placed);
    v_waiting bigint;
    v_machines bigint[];
BEGIN
    IF p_count > v_never THEN
        -- While its machines are locked none of its placements can end, and what waits to run again stays what it is.
        PERFORM 1 FROM machine m
        WHERE m.machine_id = ANY (ARRAY(SELECT p.machine_id FROM placement p WHERE p.job_id = p_state.job_id))
        ORDER BY m.machine_id FOR UPDATE;
    END IF;
    WITH waiting AS (
        SELECT r.first_index, i.task_index, r.attempt
        FROM retry r CROSS JOIN LATERAL generate_series(r.first_index, r.first_index + r.count - 1) AS i(task_index)
        WHERE r.job_id = p_state.job_id
        ORDER BY i.task_index DESC LIMIT p_count - v_never
    ), hit AS (
        DELETE FROM retry r
        WHERE r.job_id = p_state.job_id AND r.first_index IN (SELECT w.first_index FROM waiting w)
        RETURNING r.*
    ), kept AS (
        -- Taken from the end of a range, if not all of it.
        INSERT INTO retry (job_id, first_index, count, attempt, failures, lost, not_before)
        SELECT h.job_id, h.first_index, h.count - w.n, h.attempt, h.failures, h.lost, h.not_before
        FROM hit h JOIN (SELECT x.first_index, count(*) AS n FROM waiting x GROUP BY x.first_index) w
            ON w.first_index = h.first_index
        WHERE h.count > w.n
    ), told AS (
        INSERT INTO outcome (at, job_id, task_index, attempt, state, final, machine_id, exit_code, started_at,
                             ended_at, result, error, stdout_tail, stderr_tail)
        SELECT v_now, p_state.job_id, w.task_index, w.attempt, 'cancelled', true, 0, -1, 'epoch', v_now, '', '', '', ''
        FROM waiting w
    )
    SELECT count(*) INTO v_waiting FROM waiting;
    UPDATE job_state s
    SET never_placed = s.never_placed + v_never, cancelled = s.cancelled + v_never + v_waiting
    WHERE s.job_id = p_state.job_id;
    PERFORM unclaim_idle(p_state.job_id);

    IF p_count > v_never + v_waiting THEN
        WITH stopped AS (
            UPDATE placement p SET stop = 'cancel'
            FROM (SELECT q.first_index FROM placement q WHERE q.job_id = p_state.job_id AND q.stop <> 'cancel'
                  ORDER BY q.first_index DESC LIMIT p_count - v_never - v_waiting) x
            WHERE p.job_id = p_state.job_id AND p.first_index = x.first_index
            RETURNING p.machine_id
        )
        SELECT array_agg(DISTINCT s.machine_id) INTO v_machines FROM stopped s;
        UPDATE machine m SET version = m.version + 1 WHERE m.machine_id = ANY (v_machines);
    END IF;
END
$$;
