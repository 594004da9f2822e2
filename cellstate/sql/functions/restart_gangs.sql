-- Tells what a gang still holds to stop where it has lost so many members that its minimum no longer holds: a gang
-- runs together or not at all. Parameters: jobs, whose rows of job_state the caller has locked.
-- Locks: the machines of those gangs by id, then their placements.
CREATE FUNCTION restart_gangs(p_jobs bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_gangs bigint[];
    v_machines bigint[];
BEGIN
    SELECT array_agg(s.job_id) INTO v_gangs
    FROM job_state s JOIN job j ON j.job_id = s.job_id
    WHERE s.job_id = ANY (p_jobs) AND s.state = 'running' AND s.placed > 0 AND NOT s.cancel_requested
      -- Asked of gangs alone: it reads all that a job holds, and the planner would ask it before it knows what is one.
      AND CASE WHEN j.commit = 'gang' THEN gang_missing(s.job_id) > 0 ELSE false END
      AND (s.next_index + s.never_placed < s.task_count OR EXISTS (SELECT FROM retry r WHERE r.job_id = s.job_id));
    IF v_gangs IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(DISTINCT p.machine_id) INTO v_machines
    FROM placement p WHERE p.job_id = ANY (v_gangs) AND p.stop = '';
    PERFORM 1 FROM machine m WHERE m.machine_id = ANY (v_machines) ORDER BY m.machine_id FOR UPDATE;
    WITH stopped AS (
        UPDATE placement p SET stop = 'preempt' WHERE p.job_id = ANY (v_gangs) AND p.stop = '' RETURNING p.machine_id
    )
    UPDATE machine m SET version = m.version + 1 WHERE m.machine_id IN (SELECT s.machine_id FROM stopped s);
END
$$;
