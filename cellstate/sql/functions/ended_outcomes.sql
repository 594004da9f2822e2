-- The final outcomes of a job that was submitted open, since a reader's snapshot (null: all), and the snapshot to come back
-- with. Parameters: the job, the reader's last pg_snapshot, and when the server had come up then.
-- Rows: one at least, with a null task where there is nothing new. Raises OM002, OM004. Locks: none.
-- One statement for rows and snapshot; what had not begun then, or was in progress: see sync_machines. After a crash of the
-- server also all that ended since: see read_events.
-- Index: outcome_stream_index.
CREATE FUNCTION ended_outcomes(p_job bigint, p_snapshot pg_snapshot, p_up_since double precision) RETURNS TABLE (
    snapshot text, up_since double precision, job_id bigint, task_index bigint, attempt int, state text, machine_id bigint, exit_code int,
    started_at double precision, ended_at double precision, result bytea, error text, stdout_tail text, stderr_tail text)
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_up_since double precision := extract(epoch FROM server_up_since());
BEGIN
    IF NOT EXISTS (SELECT FROM job j WHERE j.job_id = p_job AND j.open) THEN
        IF EXISTS (SELECT FROM job j WHERE j.job_id = p_job) THEN
            RAISE EXCEPTION USING ERRCODE = 'OM004', MESSAGE = format(
                'job j%s was not submitted open, so that its ends cannot be followed; read its outcomes', p_job);
        END IF;
        PERFORM lock_job(p_job);
    END IF;
    IF p_snapshot IS NULL THEN
        p_snapshot := '1:1:';
    END IF;
    RETURN QUERY
    SELECT pg_current_snapshot()::text, v_up_since, o.job_id, o.task_index, o.attempt, o.state, o.machine_id, o.exit_code,
           extract(epoch FROM o.started_at)::double precision, extract(epoch FROM o.ended_at)::double precision,
           o.result, o.error, o.stdout_tail, o.stderr_tail
    FROM (SELECT) one
    LEFT JOIN (
        SELECT * FROM outcome a WHERE a.job_id = p_job AND a.xid IS NOT NULL AND a.xid >= pg_snapshot_xmax(p_snapshot)
        UNION ALL
        SELECT * FROM outcome b
        WHERE b.job_id = p_job AND b.xid IS NOT NULL AND b.xid = ANY (ARRAY(SELECT pg_snapshot_xip(p_snapshot)))
        UNION ALL
        SELECT * FROM outcome c
        WHERE v_up_since <> p_up_since AND c.job_id = p_job AND c.xid IS NOT NULL AND c.at >= to_timestamp(v_up_since)
          AND NOT (c.xid >= pg_snapshot_xmax(p_snapshot) OR c.xid = ANY (ARRAY(SELECT pg_snapshot_xip(p_snapshot))))
    ) o ON o.final;
END
$$;
