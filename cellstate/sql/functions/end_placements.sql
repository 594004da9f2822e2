-- Ends placements: frees their machines, records the outcomes, makes retries, appends the counts to fold.
-- Parameters: parallel arrays, one entry an end; an entry that names no placement held under (attempt, machine,
-- epoch) changes nothing, which is what makes a zombie's word worthless. Whether to raise the machines' version.
-- Returns the ordinals that were applied. Locks: placements; the caller has locked the machines.
CREATE FUNCTION end_placements(
    p_job bigint[], p_first bigint[], p_attempt bigint[], p_machine bigint[], p_epoch bigint[], p_state text[],
    p_exit_code bigint[], p_started double precision[], p_ended double precision[], p_result bytea[], p_error text[],
    p_stdout text[], p_stderr text[], p_raise_version boolean
) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_now timestamptz := cell_now();
    v_applied bigint[];
BEGIN
    WITH told AS (
        SELECT * FROM unnest(p_job, p_first, p_attempt, p_machine, p_epoch, p_state, p_exit_code, p_started, p_ended,
                             p_result, p_error, p_stdout, p_stderr)
            WITH ORDINALITY AS t(job_id, first_index, attempt, machine_id, epoch, state, exit_code, started, ended,
                                 result, error, stdout_tail, stderr_tail, ord)
    ), gone AS (
        DELETE FROM placement p USING told t
        WHERE p.job_id = t.job_id AND p.first_index = t.first_index AND p.attempt = t.attempt
          AND p.machine_id = t.machine_id AND p.epoch = t.epoch
        RETURNING p.*, t.ord, t.state, t.exit_code, t.started, t.ended, t.result, t.error, t.stdout_tail, t.stderr_tail
    ), judged AS (
        SELECT g.*, d.final, d.counted, d.failures AS next_failures, d.lost AS next_lost,
               v_now + CASE WHEN d.delayed THEN make_interval(secs => backoff_seconds(
                   j.backoff_seconds, j.backoff_max_seconds, d.failures, g.job_id, g.first_index))
                   ELSE '0' END AS not_before
        FROM gone g
        JOIN job j ON j.job_id = g.job_id
        JOIN job_state s ON s.job_id = g.job_id
        CROSS JOIN LATERAL after_attempt(
            g.state, s.cancel_requested, j.service, g.failures, j.retries, g.lost, j.max_lost, j.on_lost,
            CASE WHEN g.started = 0 THEN 0 ELSE g.ended - g.started END, j.backoff_max_seconds) d
    ), freed AS (
        UPDATE machine m
        SET used_cpu_milli = m.used_cpu_milli - f.cpu_milli,
            used_memory_bytes = m.used_memory_bytes - f.memory_bytes,
            used_disk_bytes = m.used_disk_bytes - f.disk_bytes,
            version = m.version + p_raise_version::int
        FROM (SELECT g.machine_id, sum(g.cpu_milli) AS cpu_milli, sum(g.memory_bytes) AS memory_bytes,
                     sum(g.disk_bytes) AS disk_bytes FROM gone g GROUP BY g.machine_id) f
        WHERE m.machine_id = f.machine_id
    ), recorded AS (
        INSERT INTO outcome (at, job_id, task_index, attempt, state, final, machine_id, exit_code, started_at,
                             ended_at, result, error, stdout_tail, stderr_tail)
        SELECT v_now, e.job_id, e.first_index, e.attempt, e.state, e.final, e.machine_id, e.exit_code,
               to_timestamp(e.started), to_timestamp(e.ended), e.result, e.error, e.stdout_tail, e.stderr_tail
        FROM judged e ORDER BY e.ord
    ), again AS (
        INSERT INTO retry (job_id, first_index, count, attempt, failures, lost, not_before)
        SELECT e.job_id, e.first_index, 1, e.attempt + 1, e.next_failures, e.next_lost, e.not_before
        FROM judged e WHERE NOT e.final
    ), counted AS (
        INSERT INTO job_delta (job_id, ended, succeeded, failed, cancelled)
        SELECT e.job_id, count(*),
               count(*) FILTER (WHERE e.final AND e.counted = 'succeeded'),
               count(*) FILTER (WHERE e.final AND e.counted = 'failed'),
               count(*) FILTER (WHERE e.final AND e.counted = 'cancelled')
        FROM judged e GROUP BY e.job_id
    )
    SELECT coalesce(array_agg(g.ord ORDER BY g.ord), '{}') INTO v_applied FROM gone g;
    RETURN v_applied;
END
$$;
