-- Applies accepted claims: numbers the tasks (retries that are due first, then next_index), inserts placements,
-- charges machines, moves job_state on. Returns the index of each claim's first task, -1 where it got none.
-- Parameters: as commit_claims, and the slots accepted. The caller holds the locks on jobs and machines.
-- A retry range is one task for now, so the k-th slot of a job takes the k-th due retry.
CREATE FUNCTION place_claims(
    p_txn uuid, p_jobs bigint[], p_machines bigint[], p_job bigint[], p_machine bigint[], p_accepted bigint[],
    p_now timestamptz
) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_first bigint[];
    v_retries boolean;
BEGIN
    v_retries := EXISTS (SELECT FROM retry r WHERE r.job_id = ANY (p_jobs) AND r.not_before <= p_now);

    IF NOT v_retries THEN
        WITH claim AS (
            SELECT c.ord, c.job, c.machine, c.slots,
                   sum(c.slots) OVER (PARTITION BY c.job ORDER BY c.ord) - c.slots AS before
            FROM unnest(p_job, p_machine, p_accepted) WITH ORDINALITY AS c(job, machine, slots, ord)
        ), numbered AS (
            SELECT c.ord, c.slots, s.next_index + c.before AS first_index, p_machines[c.machine] AS machine_id,
                   j.job_id, j.cpu_milli, j.memory_bytes, j.disk_bytes
            FROM claim c
            JOIN job_state s ON s.job_id = p_jobs[c.job]
            JOIN job j ON j.job_id = p_jobs[c.job]
        ), placed AS (
            INSERT INTO placement (job_id, first_index, count, attempt, failures, lost, machine_id, epoch, cpu_milli,
                                   memory_bytes, disk_bytes, placed_at)
            SELECT n.job_id, n.first_index + g.i, 1, 1, 0, 0, n.machine_id, m.epoch, n.cpu_milli, n.memory_bytes,
                   n.disk_bytes, p_now
            FROM numbered n
            JOIN machine m ON m.machine_id = n.machine_id
            CROSS JOIN LATERAL generate_series(0, n.slots - 1) AS g(i)
        )
        SELECT array_agg(CASE WHEN n.slots > 0 THEN n.first_index ELSE -1 END ORDER BY n.ord) INTO v_first
        FROM numbered n;
        UPDATE job_state s SET next_index = s.next_index + d.slots
        FROM (SELECT p_jobs[c.job] AS job_id, sum(c.slots) AS slots
              FROM unnest(p_job, p_accepted) AS c(job, slots) GROUP BY c.job) d
        WHERE s.job_id = d.job_id AND d.slots > 0;
    ELSE
        WITH slot AS (
            SELECT c.ord, p_jobs[c.job] AS job_id, p_machines[c.machine] AS machine_id, g.i,
                   row_number() OVER (PARTITION BY c.job ORDER BY c.ord, g.i) AS k
            FROM unnest(p_job, p_machine, p_accepted) WITH ORDINALITY AS c(job, machine, slots, ord)
            CROSS JOIN LATERAL generate_series(1, c.slots) AS g(i)
        ), due AS (
            SELECT r.*, row_number() OVER (PARTITION BY r.job_id ORDER BY r.first_index) AS k
            FROM retry r WHERE r.job_id = ANY (p_jobs) AND r.not_before <= p_now
        ), numbered AS (
            SELECT t.ord, t.i, t.job_id, t.machine_id, d.first_index IS NOT NULL AS again,
                   coalesce(d.first_index, s.next_index + t.k - 1 - q.due) AS task,
                   coalesce(d.attempt, 1) AS attempt, coalesce(d.failures, 0) AS failures, coalesce(d.lost, 0) AS lost
            FROM slot t
            JOIN job_state s ON s.job_id = t.job_id
            CROSS JOIN LATERAL (SELECT count(*) AS due FROM due e WHERE e.job_id = t.job_id) q
            LEFT JOIN due d ON d.job_id = t.job_id AND d.k = t.k
        ), taken AS (
            DELETE FROM retry r USING numbered n
            WHERE n.again AND r.job_id = n.job_id AND r.first_index = n.task
        ), placed AS (
            INSERT INTO placement (job_id, first_index, count, attempt, failures, lost, machine_id, epoch, cpu_milli,
                                   memory_bytes, disk_bytes, placed_at)
            SELECT n.job_id, n.task, 1, n.attempt, n.failures, n.lost, n.machine_id, m.epoch, j.cpu_milli,
                   j.memory_bytes, j.disk_bytes, p_now
            FROM numbered n JOIN machine m ON m.machine_id = n.machine_id JOIN job j ON j.job_id = n.job_id
        ), moved AS (
            UPDATE job_state s SET next_index = s.next_index + d.fresh
            FROM (SELECT n.job_id, count(*) AS fresh FROM numbered n WHERE NOT n.again GROUP BY n.job_id) d
            WHERE s.job_id = d.job_id
        )
        SELECT array_agg(coalesce(n.task, -1) ORDER BY c.ord) INTO v_first
        FROM generate_subscripts(p_job, 1) AS c(ord) LEFT JOIN numbered n ON n.ord = c.ord AND n.i = 1;
    END IF;

    UPDATE machine m
    SET used_cpu_milli = m.used_cpu_milli + d.cpu, used_memory_bytes = m.used_memory_bytes + d.memory,
        used_disk_bytes = m.used_disk_bytes + d.disk, version = m.version + 1,
        claim_sequence = m.claim_sequence + 1, last_claim_txn = p_txn
    FROM (
        SELECT p_machines[c.machine] AS machine_id, sum(c.slots * j.cpu_milli) AS cpu,
               sum(c.slots * j.memory_bytes) AS memory, sum(c.slots * j.disk_bytes) AS disk
        FROM unnest(p_job, p_machine, p_accepted) AS c(job, machine, slots)
        JOIN job j ON j.job_id = p_jobs[c.job]
        WHERE c.slots > 0 GROUP BY c.machine
    ) d
    WHERE m.machine_id = d.machine_id;

    UPDATE job_state s
    SET placed = s.placed + d.slots, state = 'running', first_placed_at = coalesce(s.first_placed_at, p_now),
        claimed_by = CASE WHEN d.done THEN 0 ELSE s.claimed_by END,
        attempts = s.attempts + d.done::int, fruitless = CASE WHEN d.done THEN 0 ELSE s.fruitless END
    FROM (
        SELECT t.job_id, a.slots, t.next_index + t.never_placed = t.task_count
               AND NOT EXISTS (SELECT FROM retry r WHERE r.job_id = t.job_id) AS done
        FROM (SELECT p_jobs[c.job] AS job_id, sum(c.slots) AS slots
              FROM unnest(p_job, p_accepted) AS c(job, slots) GROUP BY c.job) a
        JOIN job_state t ON t.job_id = a.job_id
        WHERE a.slots > 0
    ) d
    WHERE s.job_id = d.job_id;
    RETURN v_first;
END
$$;
