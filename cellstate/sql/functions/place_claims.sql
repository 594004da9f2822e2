-- Numbers the tasks of accepted claims (retries that are due first, then next_index), inserts their placements and
-- moves job_state on. Returns the index of each claim's first task, -1 where it got none.
-- Parameters: as commit_claims; the slots accepted; amounts by job ordinal and epochs by machine ordinal.
-- The caller holds the locks on jobs and machines. A retry range is one task for now, so the k-th slot of a job
-- takes the k-th retry that is due.
CREATE FUNCTION place_claims(
    p_jobs bigint[], p_machines bigint[], p_job bigint[], p_machine bigint[], p_accepted bigint[],
    p_cpu bigint[], p_memory bigint[], p_disk bigint[], p_epoch bigint[], p_now timestamptz
) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_first bigint[];
    v_next bigint[];
    v_retries boolean;
BEGIN
    SELECT array_agg(a.next_index), bool_or(a.due) INTO v_next, v_retries
    FROM (
        SELECT s.next_index, EXISTS (SELECT FROM retry r WHERE r.job_id = u.id AND r.not_before <= p_now) AS due
        FROM unnest(p_jobs) WITH ORDINALITY AS u(id, ord) LEFT JOIN job_state s ON s.job_id = u.id ORDER BY u.ord
    ) a;

    IF NOT v_retries THEN
        WITH claim AS MATERIALIZED (
            SELECT c.ord, c.job, c.machine, c.slots,
                   v_next[c.job] + (sum(c.slots) OVER (PARTITION BY c.job ORDER BY c.ord))::bigint - c.slots AS first_index
            FROM unnest(p_job, p_machine, p_accepted) WITH ORDINALITY AS c(job, machine, slots, ord)
        ), placed AS (
            INSERT INTO placement (job_id, first_index, count, attempt, failures, lost, machine_id, epoch, cpu_milli,
                                   memory_bytes, disk_bytes, placed_at)
            SELECT p_jobs[c.job], c.first_index + g.i, 1, 1, 0, 0, p_machines[c.machine], p_epoch[c.machine],
                   p_cpu[c.job], p_memory[c.job], p_disk[c.job], p_now
            FROM claim c CROSS JOIN LATERAL generate_series(0, c.slots - 1) AS g(i)
        )
        SELECT array_agg(CASE WHEN n.slots > 0 THEN n.first_index ELSE -1 END) INTO v_first
        FROM (SELECT * FROM claim ORDER BY claim.ord) n;
    ELSE
        WITH slot AS (
            SELECT c.ord, c.job, c.machine, g.i, row_number() OVER (PARTITION BY c.job ORDER BY c.ord, g.i) AS k
            FROM unnest(p_job, p_machine, p_accepted) WITH ORDINALITY AS c(job, machine, slots, ord)
            CROSS JOIN LATERAL generate_series(1, c.slots) AS g(i)
        ), due AS MATERIALIZED (
            SELECT r.*, row_number() OVER (PARTITION BY r.job_id ORDER BY r.first_index) AS k,
                   count(*) OVER (PARTITION BY r.job_id) AS all_due
            FROM retry r WHERE r.job_id = ANY (p_jobs) AND r.not_before <= p_now
        ), numbered AS MATERIALIZED (
            SELECT t.ord, t.i, t.job, t.machine, d.first_index IS NOT NULL AS again,
                   coalesce(d.first_index, v_next[t.job] + t.k - 1 - coalesce(q.all_due, 0)) AS task,
                   coalesce(d.attempt, 1) AS attempt, coalesce(d.failures, 0) AS failures, coalesce(d.lost, 0) AS lost
            FROM slot t
            LEFT JOIN due q ON q.job_id = p_jobs[t.job] AND q.k = 1
            LEFT JOIN due d ON d.job_id = p_jobs[t.job] AND d.k = t.k
        ), taken AS (
            DELETE FROM retry r USING numbered n
            WHERE n.again AND r.job_id = p_jobs[n.job] AND r.first_index = n.task
        ), placed AS (
            INSERT INTO placement (job_id, first_index, count, attempt, failures, lost, machine_id, epoch, cpu_milli,
                                   memory_bytes, disk_bytes, placed_at)
            SELECT p_jobs[n.job], n.task, 1, n.attempt, n.failures, n.lost, p_machines[n.machine], p_epoch[n.machine],
                   p_cpu[n.job], p_memory[n.job], p_disk[n.job], p_now
            FROM numbered n
        )
        SELECT array_agg(coalesce(n.task, -1) ORDER BY c.ord) INTO v_first
        FROM generate_subscripts(p_job, 1) AS c(ord) LEFT JOIN numbered n ON n.ord = c.ord AND n.i = 1;
    END IF;

    UPDATE job_state s
    SET placed = s.placed + d.slots, next_index = s.next_index + d.fresh, state = 'running',
        first_placed_at = coalesce(s.first_placed_at, p_now),
        claimed_by = CASE WHEN d.done THEN 0 ELSE s.claimed_by END,
        attempts = s.attempts + d.done::int, fruitless = CASE WHEN d.done THEN 0 ELSE s.fruitless END
    FROM (
        SELECT f.*, t.next_index + f.fresh + t.never_placed = t.task_count
               AND NOT EXISTS (SELECT FROM retry r WHERE r.job_id = f.job_id) AS done
        FROM (
            SELECT p_jobs[c.job] AS job_id, sum(c.slots) AS slots,
                   CASE WHEN v_retries THEN (
                       SELECT count(*) FROM placement p
                       WHERE p.job_id = p_jobs[c.job] AND p.first_index >= v_next[c.job])
                   ELSE sum(c.slots) END AS fresh
            FROM unnest(p_job, p_accepted) AS c(job, slots) GROUP BY c.job
        ) f
        JOIN job_state t ON t.job_id = f.job_id
        WHERE f.slots > 0
    ) d
    WHERE s.job_id = d.job_id;
    RETURN v_first;
END
$$;
