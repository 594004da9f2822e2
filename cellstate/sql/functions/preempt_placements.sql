-- Takes from victims what they hold, for the jobs that took them: rows stay, charged with nothing, told to stop.
-- Parameters: the victims' keys, the ordinals of those taken, the distinct jobs and for each taken one the ordinal of
-- the job that took it. The caller has judged them and holds the locks on their machines, which it will charge for
-- the winner (version and claim_sequence rise there). Locks: placements.
CREATE FUNCTION preempt_placements(
    p_job bigint[], p_first bigint[], p_attempt bigint[], p_taken bigint[], p_jobs bigint[], p_taken_by bigint[],
    p_now timestamptz
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    WITH victim AS MATERIALIZED (
        SELECT p.*, p_jobs[t.by_job] AS winner, least(j.gpu_milli, 1000) AS milli, j.custom
        FROM unnest(p_taken, p_taken_by) AS t(ord, by_job)
        JOIN placement p ON p.job_id = p_job[t.ord] AND p.first_index = p_first[t.ord] AND p.attempt = p_attempt[t.ord]
        JOIN job j ON j.job_id = p.job_id
    ), stopped AS (
        UPDATE placement p
        SET preempted_by = v.winner, stop = CASE WHEN p.stop = '' THEN 'preempt' ELSE p.stop END, cpu_milli = 0,
            memory_bytes = 0, disk_bytes = 0, devices = NULL
        FROM victim v WHERE p.job_id = v.job_id AND p.first_index = v.first_index
    ), freed AS (
        UPDATE machine m
        SET used_cpu_milli = m.used_cpu_milli - f.cpu, used_memory_bytes = m.used_memory_bytes - f.memory,
            used_disk_bytes = m.used_disk_bytes - f.disk
        FROM (SELECT v.machine_id, sum(v.cpu_milli) AS cpu, sum(v.memory_bytes) AS memory, sum(v.disk_bytes) AS disk
              FROM victim v GROUP BY v.machine_id) f
        WHERE m.machine_id = f.machine_id
    ), freed_devices AS (
        UPDATE device d SET used_milli = d.used_milli - f.milli
        FROM (SELECT v.machine_id, b.i, sum(v.milli) AS milli
              FROM victim v JOIN generate_series(0, 62) AS b(i) ON v.devices & (1::bigint << b.i) <> 0
              GROUP BY v.machine_id, b.i) f
        WHERE d.machine_id = f.machine_id AND d.device_index = f.i
    ), freed_custom AS (
        UPDATE machine_custom c SET used_milli = c.used_milli - f.milli
        FROM (SELECT v.machine_id, e.key, sum(e.value::bigint) AS milli
              FROM victim v CROSS JOIN LATERAL jsonb_each_text(v.custom) e GROUP BY v.machine_id, e.key) f
        WHERE c.machine_id = f.machine_id AND c.name = f.key
    )
    INSERT INTO preemption (at, machine_id, winner_job, victim_job, first_index, count, attempt)
    SELECT p_now, v.machine_id, v.winner, v.job_id, v.first_index, v.count, v.attempt
    FROM victim v ORDER BY v.machine_id, v.job_id, v.first_index;
END
$$;
