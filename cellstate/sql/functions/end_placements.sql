-- Ends slots, task by task: frees their machines, records the outcomes, makes retries, appends the counts to fold.
-- Parameters: parallel arrays, one entry a task that ended (job, first index of its slot, task, attempt, machine, epoch
-- and how it ended); the slots that go on with one task alone; whether a worker reports it (the machines' version
-- rises, and of a preempted slot nothing else is believed) or its machine was lost. An entry that names no task of a
-- slot held under (attempt, machine, epoch) changes nothing, which is what makes a zombie's word worthless. No task is
-- told of twice in one call.
-- One row: the ordinals that were accepted, and the machines that changed.
-- Locks: placements; the caller has locked the machines.
--
-- NOT IN, as it is hashed: the planner takes a CTE of unnested arrays for a few rows, and NOT EXISTS for a loop in a loop.
CREATE FUNCTION end_placements(
    p_job bigint[], p_first bigint[], p_task bigint[], p_attempt bigint[], p_machine bigint[], p_epoch bigint[],
    p_state text[], p_exit_code bigint[], p_started double precision[], p_ended double precision[], p_result bytea[],
    p_error text[], p_stdout text[], p_stderr text[], p_kept_job bigint[], p_kept_first bigint[], p_kept_task bigint[],
    p_kept_attempt bigint[], p_kept_machine bigint[], p_kept_epoch bigint[], p_reported boolean,
    OUT applied bigint[], OUT machines bigint[])
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_now timestamptz := cell_now();
BEGIN
    WITH hit AS MATERIALIZED (
        SELECT t.ord, t.task_index, t.state AS said, t.exit_code, t.started, t.ended, t.result, t.error, t.stdout_tail,
               t.stderr_tail, p.job_id, p.first_index, p.count, p.attempt, p.failures, p.lost, p.machine_id, p.cpu_milli,
               p.memory_bytes, p.disk_bytes, p.devices, p.preempted_by, p.stop
        FROM unnest(p_job, p_first, p_task, p_attempt, p_machine, p_epoch, p_state, p_exit_code, p_started, p_ended,
                    p_result, p_error, p_stdout, p_stderr)
            WITH ORDINALITY AS t(job_id, first_index, task_index, attempt, machine_id, epoch, state, exit_code, started,
                                 ended, result, error, stdout_tail, stderr_tail, ord)
        JOIN placement p ON p.job_id = t.job_id AND p.first_index = t.first_index AND p.attempt = t.attempt
            AND p.machine_id = t.machine_id AND p.epoch = t.epoch
            AND t.task_index BETWEEN p.first_index AND p.first_index + p.count - 1
    ), kept AS MATERIALIZED (
        SELECT DISTINCT ON (p.job_id, p.first_index) p.*, k.task_index
        FROM unnest(p_kept_job, p_kept_first, p_kept_task, p_kept_attempt, p_kept_machine, p_kept_epoch)
            AS k(job_id, first_index, task_index, attempt, machine_id, epoch)
        JOIN placement p ON p.job_id = k.job_id AND p.first_index = k.first_index AND p.attempt = k.attempt
            AND p.machine_id = k.machine_id AND p.epoch = k.epoch
            AND k.task_index BETWEEN p.first_index AND p.first_index + p.count - 1
        ORDER BY p.job_id, p.first_index, k.task_index
    ), slot AS MATERIALIZED (
        SELECT DISTINCT ON (n.job_id, n.first_index) n.*
        FROM (
            SELECT k.job_id, k.first_index, k.count, k.attempt, k.failures, k.lost, k.machine_id, k.cpu_milli,
                   k.memory_bytes, k.disk_bytes, k.devices, k.preempted_by, k.task_index AS kept_task
            FROM kept k
            UNION ALL
            SELECT h.job_id, h.first_index, h.count, h.attempt, h.failures, h.lost, h.machine_id, h.cpu_milli,
                   h.memory_bytes, h.disk_bytes, h.devices, h.preempted_by, NULL
            FROM hit h
        ) n
        ORDER BY n.job_id, n.first_index, n.kept_task NULLS LAST
    ), ending AS MATERIALIZED (
        SELECT h.*, CASE WHEN p_reported AND h.preempted_by IS NOT NULL THEN 'preempted' ELSE h.said END AS state
        FROM hit h
        WHERE (h.job_id, h.task_index) NOT IN (SELECT k.job_id, k.task_index FROM kept k)
    ), judged AS MATERIALIZED (
        SELECT e.*, j.open, d.final, d.counted, d.failures AS next_failures, d.lost AS next_lost,
               v_now + CASE WHEN d.delayed THEN make_interval(secs => backoff_seconds(
                   j.backoff_seconds, j.backoff_max_seconds, d.failures, e.job_id, e.task_index))
                   ELSE '0' END AS not_before
        FROM ending e
        JOIN job j ON j.job_id = e.job_id
        JOIN job_state s ON s.job_id = e.job_id
        CROSS JOIN LATERAL after_attempt(
            e.state, s.cancel_requested OR e.stop = 'cancel', j.service, e.failures, j.retries, e.lost, j.max_lost, j.on_lost,
            CASE WHEN e.started = 0 THEN 0 ELSE e.ended - e.started END, j.backoff_max_seconds) d
    ), untold AS MATERIALIZED (
        -- What never ran waits for another slot, under an attempt that this one's late words do not reach.
        SELECT g.job_id, g.first_index, i.task_index, g.attempt, g.failures, g.lost
        FROM slot g CROSS JOIN LATERAL generate_series(g.first_index, g.first_index + g.count - 1) AS i(task_index)
        WHERE g.count > 1 AND i.task_index IS DISTINCT FROM g.kept_task
          AND (g.job_id, i.task_index) NOT IN (SELECT e.job_id, e.task_index FROM ending e)
    ), removed AS (
        DELETE FROM placement p USING slot g
        WHERE p.job_id = g.job_id AND p.first_index = g.first_index AND g.kept_task IS NULL
    ), shrunk AS (
        UPDATE placement p SET first_index = g.kept_task, count = 1
        FROM slot g WHERE p.job_id = g.job_id AND p.first_index = g.first_index AND g.kept_task IS NOT NULL
    ), freed AS (
        UPDATE machine m
        SET used_cpu_milli = m.used_cpu_milli - f.cpu_milli,
            used_memory_bytes = m.used_memory_bytes - f.memory_bytes,
            used_disk_bytes = m.used_disk_bytes - f.disk_bytes,
            version = m.version + p_reported::int
        FROM (SELECT g.machine_id, coalesce(sum(g.cpu_milli) FILTER (WHERE g.kept_task IS NULL), 0) AS cpu_milli,
                     coalesce(sum(g.memory_bytes) FILTER (WHERE g.kept_task IS NULL), 0) AS memory_bytes,
                     coalesce(sum(g.disk_bytes) FILTER (WHERE g.kept_task IS NULL), 0) AS disk_bytes
              FROM slot g GROUP BY g.machine_id) f
        WHERE m.machine_id = f.machine_id
    ), freed_devices AS (
        UPDATE device d SET used_milli = d.used_milli - f.milli
        FROM (SELECT g.machine_id, b.i, sum(least(j.gpu_milli, 1000)) AS milli
              FROM slot g JOIN job j ON j.job_id = g.job_id
              JOIN generate_series(0, 62) AS b(i) ON g.devices & (1::bigint << b.i) <> 0
              WHERE g.devices IS NOT NULL AND g.kept_task IS NULL GROUP BY g.machine_id, b.i) f
        WHERE d.machine_id = f.machine_id AND d.device_index = f.i
    ), freed_custom AS (
        UPDATE machine_custom c SET used_milli = c.used_milli - f.milli
        FROM (SELECT g.machine_id, e.key, sum(e.value::bigint) AS milli
              FROM slot g JOIN job j ON j.job_id = g.job_id CROSS JOIN LATERAL jsonb_each_text(j.custom) e
              WHERE EXISTS (SELECT FROM machine_custom) AND j.custom IS NOT NULL AND g.preempted_by IS NULL
                AND g.kept_task IS NULL
              GROUP BY g.machine_id, e.key) f
        WHERE c.machine_id = f.machine_id AND c.name = f.key
    ), recorded AS (
        INSERT INTO outcome (at, job_id, task_index, attempt, state, final, machine_id, exit_code, started_at,
                             ended_at, result, error, stdout_tail, stderr_tail, xid)
        SELECT v_now, e.job_id, e.task_index, e.attempt, e.state, e.final, e.machine_id,
               CASE WHEN e.state = e.said THEN e.exit_code ELSE -1 END, to_timestamp(e.started), to_timestamp(e.ended),
               CASE WHEN e.state = e.said THEN e.result ELSE '' END,
               CASE WHEN e.state = 'preempted' AND e.preempted_by IS NOT NULL
                    THEN format('preempted by job j%s', e.preempted_by) ELSE e.error END, e.stdout_tail, e.stderr_tail,
               CASE WHEN e.open THEN pg_current_xact_id() END
        FROM judged e ORDER BY e.ord
    ), again AS (
        INSERT INTO retry (job_id, first_index, count, attempt, failures, lost, not_before)
        SELECT a.job_id, min(a.task_index), count(*), a.attempt, a.failures, a.lost, a.not_before
        FROM (
            SELECT w.*, w.task_index - row_number() OVER (
                       PARTITION BY w.job_id, w.first_index, w.attempt, w.failures, w.lost, w.not_before
                       ORDER BY w.task_index) AS island
            FROM (
                SELECT e.job_id, e.first_index, e.task_index, e.attempt + 1 AS attempt, e.next_failures AS failures,
                       e.next_lost AS lost, e.not_before
                FROM judged e WHERE NOT e.final
                UNION ALL
                SELECT u.job_id, u.first_index, u.task_index, u.attempt + 1, u.failures, u.lost, v_now FROM untold u
            ) w
        ) a
        GROUP BY a.job_id, a.first_index, a.attempt, a.failures, a.lost, a.not_before, a.island
    ), counted AS (
        INSERT INTO job_delta (job_id, ended, succeeded, failed, cancelled, measured_tasks, measured_us)
        SELECT e.job_id, count(*),
               count(*) FILTER (WHERE e.final AND e.counted = 'succeeded'),
               count(*) FILTER (WHERE e.final AND e.counted = 'failed'),
               count(*) FILTER (WHERE e.final AND e.counted = 'cancelled'),
               count(*) FILTER (WHERE e.measured),
               coalesce(sum(greatest(floor((e.ended - e.started) * 1e6), 0)) FILTER (WHERE e.measured), 0)
        FROM (
            SELECT j.job_id, j.final, j.counted, j.started, j.ended,
                   j.state IN ('succeeded', 'failed') AND j.started > 0 AS measured
            FROM judged j
            UNION ALL
            SELECT u.job_id, false, '', 0, 0, false FROM untold u
        ) e
        GROUP BY e.job_id
    )
    SELECT coalesce((SELECT array_agg(e.ord ORDER BY e.ord) FROM ending e
                     WHERE e.state = e.said OR (e.preempted_by IS NOT NULL AND e.said = 'cancelled')), '{}'),
           coalesce((SELECT array_agg(DISTINCT g.machine_id) FROM slot g), '{}')
    INTO applied, machines;
END
$$;
