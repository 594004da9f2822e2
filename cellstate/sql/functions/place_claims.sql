-- Numbers the tasks of accepted slots (retries that are due first, then next_index), inserts their placements and
-- moves job_state on. One row: per claim the index of its first task (-1 where it got none) and its tasks.
-- Parameters: distinct jobs and machines; per claim the ordinals of its job and of the machine that took it, slots
-- accepted, tasks a slot (empty: one each); amounts by job ordinal, epochs by machine ordinal; the devices of each
-- slot (empty: none). The caller holds the locks on jobs and machines.
--
-- Without retries and devices the numbers are a running sum, and one statement does it all. Otherwise slots are
-- numbered one after another, as each may take a part of a retry range; and the rows are inserted together.
CREATE FUNCTION place_claims(
    p_jobs bigint[], p_machines bigint[], p_job bigint[], p_machine bigint[], p_accepted bigint[], p_tasks bigint[],
    p_cpu bigint[], p_memory bigint[], p_disk bigint[], p_epoch bigint[], p_slot_devices bigint[], p_now timestamptz,
    OUT first_index bigint[], OUT placed bigint[])
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    j_next bigint[]; j_end bigint[]; j_placed bigint[]; v_due boolean;
    -- due retry ranges, those of a job together: where a job's begin and end
    r_job bigint[]; r_first bigint[]; r_from bigint[]; r_count bigint[]; r_attempt int[]; r_failures int[]; r_lost int[];
    j_at int[]; j_to int[];
    -- slots
    o_job bigint[] := '{}'; o_first bigint[] := '{}'; o_count bigint[] := '{}'; o_attempt int[] := '{}';
    o_failures int[] := '{}'; o_lost int[] := '{}'; o_machine bigint[] := '{}';
    v_j int; v_r int; v_tasks bigint; v_take bigint;
BEGIN
    SELECT array_agg(a.next_index), array_agg(a.task_count - a.never_placed), bool_or(a.due)
    INTO j_next, j_end, v_due
    FROM (
        SELECT s.next_index, s.task_count, s.never_placed,
               EXISTS (SELECT FROM retry r WHERE r.job_id = u.id AND r.not_before <= p_now) AS due
        FROM unnest(p_jobs) WITH ORDINALITY AS u(id, ord) LEFT JOIN job_state s ON s.job_id = u.id ORDER BY u.ord
    ) a;

    IF NOT v_due AND p_slot_devices = '{}' THEN
        WITH claim AS MATERIALIZED (
            SELECT w.ord, w.job, w.machine, w.slots, w.tasks, j_next[w.job] + w.before AS first_index,
                   j_end[w.job] AS end_index
            FROM (
                SELECT c.ord, c.job, c.machine, c.slots, coalesce(p_tasks[c.ord], 1) AS tasks,
                       (sum(c.slots * coalesce(p_tasks[c.ord], 1)) OVER (PARTITION BY c.job ORDER BY c.ord))::bigint
                       - c.slots * coalesce(p_tasks[c.ord], 1) AS before
                FROM unnest(p_job, p_machine, p_accepted) WITH ORDINALITY AS c(job, machine, slots, ord)
            ) w
        ), inserted AS (
            INSERT INTO placement (job_id, first_index, count, attempt, failures, lost, machine_id, epoch, cpu_milli,
                                   memory_bytes, disk_bytes, placed_at)
            SELECT p_jobs[c.job], c.first_index + g.i * c.tasks,
                   least(c.tasks, c.end_index - c.first_index - g.i * c.tasks), 1, 0, 0, p_machines[c.machine],
                   p_epoch[c.machine], p_cpu[c.job], p_memory[c.job], p_disk[c.job], p_now
            FROM claim c CROSS JOIN LATERAL generate_series(0, c.slots - 1) AS g(i)
        )
        SELECT array_agg(CASE WHEN n.slots > 0 THEN n.first_index ELSE -1 END),
               array_agg(CASE WHEN n.slots > 0 THEN least(n.slots * n.tasks, n.end_index - n.first_index) ELSE 0 END)
        INTO first_index, placed
        FROM (SELECT * FROM claim ORDER BY claim.ord) n;

        UPDATE job_state s
        SET placed = s.placed + d.tasks, next_index = s.next_index + d.tasks, state = 'running',
            first_placed_at = coalesce(s.first_placed_at, p_now),
            claimed_by = CASE WHEN d.done THEN 0 ELSE s.claimed_by END,
            attempts = s.attempts + d.done::int, fruitless = CASE WHEN d.done THEN 0 ELSE s.fruitless END,
            conflicts = CASE WHEN d.done THEN 0 ELSE s.conflicts END
        FROM (
            SELECT f.*, t.next_index + f.tasks + t.never_placed = t.task_count
                   AND NOT EXISTS (SELECT FROM retry r WHERE r.job_id = f.job_id)
                   OR t.max_running > 0 AND t.placed + f.tasks >= t.max_running AS done
            FROM (
                SELECT p_jobs[c.job] AS job_id, sum(c.tasks) AS tasks
                FROM unnest(p_job, place_claims.placed) AS c(job, tasks) GROUP BY c.job
            ) f
            JOIN job_state t ON t.job_id = f.job_id
            WHERE f.tasks > 0
        ) d
        WHERE s.job_id = d.job_id;
        RETURN;
    END IF;

    -- Read once: a report that commits meanwhile may bring further ranges. A slot takes of one range, so no more are needed.
    SELECT array_agg(r.job_id), array_agg(r.first_index), array_agg(r.count), array_agg(r.attempt),
           array_agg(r.failures), array_agg(r.lost)
    INTO r_job, r_first, r_count, r_attempt, r_failures, r_lost
    FROM (
        SELECT d.*
        FROM (SELECT c.job, sum(c.slots) AS slots FROM unnest(p_job, p_accepted) AS c(job, slots) GROUP BY c.job) w
        CROSS JOIN LATERAL (
            SELECT * FROM retry t WHERE t.job_id = p_jobs[w.job] AND t.not_before <= p_now
            ORDER BY t.first_index LIMIT w.slots
        ) d
        ORDER BY w.job, d.first_index
    ) r;
    SELECT array_agg(x.upto - x.due + 1 ORDER BY x.ord), array_agg(x.upto ORDER BY x.ord) INTO j_at, j_to FROM (
        SELECT u.ord, count(r.job_id) AS due, sum(count(r.job_id)) OVER (ORDER BY u.ord) AS upto
        FROM unnest(p_jobs) WITH ORDINALITY AS u(id, ord) LEFT JOIN unnest(r_job) AS r(job_id) ON r.job_id = u.id
        GROUP BY u.ord
    ) x;
    r_from := r_first;
    first_index := array_fill(-1::bigint, ARRAY[cardinality(p_job)]);
    placed := array_fill(0::bigint, ARRAY[cardinality(p_job)]);
    j_placed := array_fill(0::bigint, ARRAY[cardinality(p_jobs)]);
    FOR i IN 1..cardinality(p_job) LOOP
        v_j := p_job[i];
        v_tasks := coalesce(p_tasks[i], 1);
        FOR k IN 1..p_accepted[i] LOOP
            IF j_at[v_j] <= j_to[v_j] THEN
                v_r := j_at[v_j];
                v_take := least(v_tasks, r_count[v_r]);
                o_first := o_first || r_first[v_r];
                o_attempt := o_attempt || r_attempt[v_r];
                o_failures := o_failures || r_failures[v_r];
                o_lost := o_lost || r_lost[v_r];
                r_first[v_r] := r_first[v_r] + v_take;
                r_count[v_r] := r_count[v_r] - v_take;
                IF r_count[v_r] = 0 THEN
                    j_at[v_j] := v_r + 1;
                END IF;
            ELSE
                v_take := least(v_tasks, j_end[v_j] - j_next[v_j]);
                o_first := o_first || j_next[v_j];
                o_attempt := o_attempt || 1;
                o_failures := o_failures || 0;
                o_lost := o_lost || 0;
                j_next[v_j] := j_next[v_j] + v_take;
            END IF;
            o_count := o_count || v_take;
            o_job := o_job || v_j::bigint;
            o_machine := o_machine || p_machine[i];
            IF k = 1 THEN
                first_index[i] := o_first[cardinality(o_first)];
            END IF;
            placed[i] := placed[i] + v_take;
        END LOOP;
        j_placed[v_j] := j_placed[v_j] + placed[i];
    END LOOP;

    DELETE FROM retry t USING unnest(r_job, r_from, r_count) AS r(job_id, from_index, left_over)
    WHERE t.job_id = r.job_id AND t.first_index = r.from_index AND r.left_over = 0;
    UPDATE retry t SET first_index = r.first_index, count = r.left_over
    FROM unnest(r_job, r_from, r_first, r_count) AS r(job_id, from_index, first_index, left_over)
    WHERE t.job_id = r.job_id AND t.first_index = r.from_index AND r.left_over > 0 AND r.first_index > r.from_index;

    INSERT INTO placement (job_id, first_index, count, attempt, failures, lost, machine_id, epoch, cpu_milli,
                           memory_bytes, disk_bytes, placed_at, devices)
    SELECT p_jobs[o.job], o.first_index, o.count, o.attempt, o.failures, o.lost, p_machines[o.machine],
           p_epoch[o.machine], p_cpu[o.job], p_memory[o.job], p_disk[o.job], p_now, nullif(p_slot_devices[o.ord], 0)
    FROM unnest(o_job, o_first, o_count, o_attempt, o_failures, o_lost, o_machine)
        WITH ORDINALITY AS o(job, first_index, count, attempt, failures, lost, machine, ord);

    UPDATE job_state s
    SET placed = s.placed + d.tasks, next_index = d.next_index, state = 'running',
        first_placed_at = coalesce(s.first_placed_at, p_now),
        claimed_by = CASE WHEN d.done THEN 0 ELSE s.claimed_by END,
        attempts = s.attempts + d.done::int, fruitless = CASE WHEN d.done THEN 0 ELSE s.fruitless END,
        conflicts = CASE WHEN d.done THEN 0 ELSE s.conflicts END
    FROM (
        SELECT u.id, j_placed[u.ord] AS tasks, j_next[u.ord] AS next_index,
               j_next[u.ord] = j_end[u.ord] AND NOT EXISTS (SELECT FROM retry r WHERE r.job_id = u.id)
               OR t.max_running > 0 AND t.placed + j_placed[u.ord] >= t.max_running AS done
        FROM unnest(p_jobs) WITH ORDINALITY AS u(id, ord) JOIN job_state t ON t.job_id = u.id
        WHERE j_placed[u.ord] > 0
    ) d
    WHERE s.job_id = d.id;
END
$$;
