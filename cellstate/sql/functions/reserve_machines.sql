-- Keeps machines for a gang that its scheduler holds, until a time; what it had reserved before is let go.
-- Parameters: scheduler, token, job, machines, seconds. Returns how many are reserved (0 for a job that is not the
-- caller's or no gang). Raises OM001 for an old token. Locks: the job, then old and new machines by id.
CREATE FUNCTION reserve_machines(
    p_scheduler bigint, p_token bigint, p_job bigint, p_machines bigint[], p_seconds double precision
) RETURNS int
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_now timestamptz := cell_now();
    v_old bigint[];
    v_new bigint[];
    v_priority int;
BEGIN
    PERFORM 1 FROM job_state s WHERE s.job_id = p_job FOR UPDATE;
    PERFORM check_scheduler(p_scheduler, p_token); -- under the lock: a newer incarnation waits for it or has it
    SELECT j.priority INTO v_priority
    FROM job j JOIN job_state s ON s.job_id = j.job_id
    WHERE j.job_id = p_job AND j.commit = 'gang' AND s.claimed_by = p_scheduler AND NOT s.cancel_requested;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT coalesce(array_agg(r.machine_id), '{}') INTO v_old FROM reservation r WHERE r.job_id = p_job;
    PERFORM 1 FROM machine m WHERE m.machine_id = ANY (v_old || p_machines) ORDER BY m.machine_id FOR UPDATE;
    DELETE FROM reservation r WHERE r.job_id = p_job OR (r.machine_id = ANY (p_machines) AND r.until <= v_now);
    WITH kept AS (
        INSERT INTO reservation (machine_id, job_id, priority, until)
        SELECT m.machine_id, p_job, v_priority, v_now + make_interval(secs => p_seconds)
        FROM machine m
        WHERE m.machine_id = ANY (p_machines) AND m.up AND m.schedulable
          AND NOT EXISTS (SELECT FROM reservation r WHERE r.machine_id = m.machine_id AND r.job_id <> p_job)
        ORDER BY m.machine_id
        RETURNING machine_id
    )
    SELECT coalesce(array_agg(k.machine_id), '{}') INTO v_new FROM kept k;
    UPDATE machine m
    SET version = m.version + 1, claim_sequence = m.claim_sequence + (m.machine_id = ANY (v_new))::int
    WHERE m.machine_id = ANY (v_old || v_new);
    PERFORM log_machines('reserve', v_old || v_new);
    RETURN cardinality(v_new);
END
$$;
