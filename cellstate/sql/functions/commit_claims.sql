-- Judges a transaction of claims and applies what is accepted, in one round trip (DESIGN section 4).
--
-- Parameters: the transaction's id, the scheduler and its token; the distinct jobs and machines touched, each
-- ascending; and the claims as parallel arrays: ordinal of its job, ordinal of its machine, slots, the
-- claim_sequence seen, tasks a slot (empty: one each), the devices wanted as a bit mask (empty: any); the victims,
-- by claim: ordinal of the claim, job, first index, attempt; the alternatives, by job and rank: ordinals of job and
-- machine. The claims of one job stand together.
-- One row: per claim slots accepted, tasks they hold, reason (model.Reason), free, first index, rival transaction and
-- scheduler, the machine's ordinal (empty: all on their own), victims taken (empty: none); then the fresh state of
-- the machines, as machine_arrays. Empty reason: everything was accepted as asked.
-- Locks: jobs by id, machines by id, placements of victims, then the scheduler's own row. Locking and reading are
-- separate statements: under READ COMMITTED the reading one sees what was committed while the locking one waited.
--
-- The judgement is a loop in judge_claims, and costs a few microseconds a claim; but most transactions fit as a
-- whole, and whether one does is a sum per machine, so that is asked first. (A running sum cannot replace the
-- loop: it counts refused claims and then refuses wrongly.) Jobs and machines are read once into arrays, and
-- every later statement looks them up by subscript: joining them again for each claim cost as much as the rest.
-- Devices and named resources are judged in the loop; a transaction whose jobs ask for none never looks at them.
CREATE FUNCTION commit_claims(
    p_txn uuid, p_scheduler bigint, p_token bigint, p_jobs bigint[], p_machines bigint[],
    p_job bigint[], p_machine bigint[], p_slots bigint[], p_seen bigint[], p_tasks bigint[], p_devices bigint[],
    p_victim_claim bigint[], p_victim_job bigint[], p_victim_first bigint[], p_victim_attempt bigint[],
    p_alternative_job bigint[], p_alternative_machine bigint[],
    OUT accepted bigint[], OUT tasks bigint[], OUT reason bigint[], OUT free bigint[], OUT first_index bigint[],
    OUT rival_txn uuid[], OUT rival_scheduler bigint[], OUT placed_on bigint[], OUT preempted bigint[],
    OUT machine_id bigint[], OUT version bigint[], OUT claim_sequence bigint[], OUT cpu_milli bigint[],
    OUT memory_bytes bigint[], OUT disk_bytes bigint[], OUT used_cpu_milli bigint[],
    OUT used_memory_bytes bigint[], OUT used_disk_bytes bigint[], OUT available boolean[], OUT extras text)
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_now timestamptz := cell_now();
    v_log record;
    v_fits boolean;
    v_coarse boolean;
    v_gang boolean;
    v_single boolean;
    v_plain boolean;
    v_extended boolean;
    v_tasks bigint[] := p_tasks;
    v_slot_devices bigint[] := '{}';
    v_taken bigint[] := '{}';
    v_taken_by bigint[];
    -- per job and per machine, by ordinal
    j_cpu bigint[]; j_memory bigint[]; j_disk bigint[]; j_coarse boolean[]; j_left bigint[]; j_needed bigint[]; j_single boolean[];
    m_cpu bigint[]; m_memory bigint[]; m_disk bigint[]; m_sequence bigint[]; m_epoch bigint[];
BEGIN
    PERFORM 1 FROM job_state s WHERE s.job_id = ANY (p_jobs) ORDER BY s.job_id FOR UPDATE;

    SELECT l.claim_slots, l.claim_accepted, l.claim_reason, l.claim_free, l.claim_first_index, l.claim_rival_txn,
           l.claim_rival_scheduler, l.claim_placed, l.claim_placed_on, l.claim_preempted
    INTO v_log FROM cell_log l WHERE l.txn_id = p_txn;
    IF FOUND THEN
        accepted := CASE WHEN v_log.claim_reason = '{}' THEN v_log.claim_slots ELSE v_log.claim_accepted END;
        reason := v_log.claim_reason;
        free := v_log.claim_free;
        first_index := v_log.claim_first_index;
        rival_txn := v_log.claim_rival_txn;
        rival_scheduler := v_log.claim_rival_scheduler;
        tasks := CASE WHEN v_log.claim_placed = '{}' THEN accepted ELSE v_log.claim_placed END;
        preempted := v_log.claim_preempted;
        SELECT coalesce(array_agg(array_position(p_machines, x.id) ORDER BY x.ord), '{}') INTO placed_on
        FROM unnest(v_log.claim_placed_on) WITH ORDINALITY AS x(id, ord);
    ELSIF NOT EXISTS (SELECT FROM scheduler s WHERE s.scheduler_id = p_scheduler AND s.token = p_token AND p_token <> 0) THEN
        accepted := array_fill(0::bigint, ARRAY[cardinality(p_job)]);
        reason := array_fill(50::bigint, ARRAY[cardinality(p_job)]);
        free := accepted;
        tasks := accepted;
        placed_on := '{}';
        preempted := '{}';
        first_index := array_fill(-1::bigint, ARRAY[cardinality(p_job)]);
        rival_txn := array_fill(null::uuid, ARRAY[cardinality(p_job)]);
        rival_scheduler := accepted;
    ELSE
        PERFORM 1 FROM machine m WHERE m.machine_id = ANY (p_machines) ORDER BY m.machine_id FOR UPDATE;

        SELECT array_agg(a.cpu_milli), array_agg(a.memory_bytes), array_agg(a.disk_bytes), array_agg(a.coarse),
               array_agg(a.remaining), array_agg(a.needed), array_agg(a.single), bool_and(a.mine), bool_and(a.plain),
               bool_or(a.coarse), bool_or(a.gang), bool_or(a.single)
        INTO j_cpu, j_memory, j_disk, j_coarse, j_left, j_needed, j_single, v_fits, v_plain, v_coarse, v_gang, v_single
        FROM (
            SELECT j.cpu_milli, j.memory_bytes, j.disk_bytes, j.detection = 'coarse' AS coarse,
                   least(s.task_count - s.next_index - s.never_placed,
                         CASE WHEN s.max_running > 0 THEN s.max_running - s.placed END) AS remaining,
                   coalesce(j.commit = 'gang' OR s.max_running > 0, false) AS single,
                   CASE WHEN j.commit = 'gang' THEN gang_missing(u.job_id) ELSE 0 END AS needed, j.commit = 'gang' AS gang,
                   coalesce(j.gpu_milli = 0 AND j.custom IS NULL, true) AS plain,
                   coalesce(s.claimed_by = p_scheduler AND NOT s.cancel_requested, false) AS mine
            FROM unnest(p_jobs) WITH ORDINALITY AS u(job_id, ord)
            LEFT JOIN job_state s ON s.job_id = u.job_id
            LEFT JOIN job j ON j.job_id = u.job_id
            ORDER BY u.ord
        ) a;

        IF v_single AND p_tasks <> '{}' THEN
            SELECT array_agg(CASE WHEN j_single[c.job] THEN 1 ELSE c.tasks END ORDER BY c.ord) INTO v_tasks
            FROM unnest(p_job, p_tasks) WITH ORDINALITY AS c(job, tasks, ord);
        END IF;

        v_fits := v_fits AND v_plain AND p_devices = '{}';
        IF v_fits THEN
            SELECT array_agg(a.cpu), array_agg(a.memory), array_agg(a.disk), array_agg(a.claim_sequence),
                   array_agg(a.epoch), coalesce(bool_and(a.open), false), bool_or(a.extended)
            INTO m_cpu, m_memory, m_disk, m_sequence, m_epoch, v_fits, v_extended
            FROM (
                SELECT m.cpu_milli - m.used_cpu_milli AS cpu, m.memory_bytes - m.used_memory_bytes AS memory,
                       m.disk_bytes - m.used_disk_bytes AS disk, m.claim_sequence, m.epoch, m.up AND m.schedulable AS open,
                       m.extended
                FROM machine m WHERE m.machine_id = ANY (p_machines) ORDER BY m.machine_id
            ) a;
            v_fits := v_fits AND cardinality(m_cpu) = cardinality(p_machines)
                AND NOT (EXISTS (SELECT FROM reservation) AND EXISTS (
                    SELECT FROM reservation r WHERE r.machine_id = ANY (p_machines) AND r.until > v_now));
        END IF;
        IF v_fits THEN
            SELECT bool_and(w.tasks <= j_left[w.job] AND w.slots >= j_needed[w.job]) INTO v_fits
            FROM (SELECT c.job, sum(c.slots) AS slots, sum(c.slots * coalesce(c.tasks, 1)) AS tasks
                  FROM unnest(p_job, p_slots, v_tasks) AS c(job, slots, tasks) GROUP BY c.job) w;
        END IF;
        IF v_fits AND v_coarse THEN
            SELECT bool_and(NOT j_coarse[c.job] OR c.seen = m_sequence[c.machine]) INTO v_fits
            FROM unnest(p_job, p_machine, p_seen) AS c(job, machine, seen);
        END IF;
        IF v_fits THEN
            SELECT bool_and(w.cpu <= m_cpu[w.machine] AND w.memory <= m_memory[w.machine] AND w.disk <= m_disk[w.machine])
            INTO v_fits
            FROM (
                SELECT c.machine, sum(c.slots * j_cpu[c.job]) AS cpu, sum(c.slots * j_memory[c.job]) AS memory,
                       sum(c.slots * j_disk[c.job]) AS disk
                FROM unnest(p_job, p_machine, p_slots) AS c(job, machine, slots) GROUP BY c.machine
            ) w;
        END IF;

        IF v_fits THEN
            accepted := p_slots;
            reason := '{}';
            free := '{}';
            rival_txn := '{}';
            rival_scheduler := '{}';
            placed_on := '{}';
            preempted := '{}';
        ELSE
            SELECT r.* INTO accepted, reason, free, rival_txn, rival_scheduler, placed_on, preempted, v_slot_devices,
                            v_taken, v_taken_by
            FROM judge_claims(
                p_scheduler, p_jobs, p_machines, p_job, p_machine, p_slots, p_seen, p_tasks, p_devices, p_victim_claim,
                p_victim_job, p_victim_first, p_victim_attempt, p_alternative_job, p_alternative_machine, v_now) r;
            IF v_taken <> '{}' THEN
                PERFORM preempt_placements(p_victim_job, p_victim_first, p_victim_attempt, v_taken, p_jobs, v_taken_by, v_now);
            END IF;
            SELECT array_agg(m.epoch ORDER BY u.ord) INTO m_epoch
            FROM unnest(p_machines) WITH ORDINALITY AS u(id, ord) LEFT JOIN machine m ON m.machine_id = u.id;
        END IF;

        SELECT r.first_index, r.placed INTO first_index, tasks
        FROM place_claims(
            p_jobs, p_machines, p_job, CASE WHEN v_fits THEN p_machine ELSE commit_claims.placed_on END, accepted, v_tasks,
            j_cpu, j_memory, j_disk, m_epoch, v_slot_devices, v_now) r;
        PERFORM count_claims(p_scheduler, p_job, p_slots, accepted, reason);
        IF NOT v_plain THEN
            PERFORM charge_extras(p_jobs, p_machines, array_agg(c.job ORDER BY c.ord, g.i),
                                  array_agg(c.machine ORDER BY c.ord, g.i), v_slot_devices)
            FROM unnest(p_job, commit_claims.placed_on, accepted) WITH ORDINALITY AS c(job, machine, slots, ord)
            CROSS JOIN LATERAL generate_series(1, c.slots) AS g(i) HAVING count(*) > 0;
        END IF;
        IF v_gang THEN
            DELETE FROM reservation r WHERE r.job_id = ANY (ARRAY(
                SELECT DISTINCT p_jobs[c.job] FROM unnest(p_job, accepted) AS c(job, slots) WHERE c.slots > 0));
        END IF;

        WITH charge AS (
            SELECT p_machines[c.machine] AS id, sum(c.slots * j_cpu[c.job]) AS cpu,
                   sum(c.slots * j_memory[c.job]) AS memory, sum(c.slots * j_disk[c.job]) AS disk
            FROM unnest(p_job, CASE WHEN v_fits THEN p_machine ELSE commit_claims.placed_on END, accepted)
                AS c(job, machine, slots)
            WHERE c.slots > 0 GROUP BY c.machine
        ), charged AS (
            UPDATE machine m
            SET used_cpu_milli = m.used_cpu_milli + d.cpu, used_memory_bytes = m.used_memory_bytes + d.memory,
                used_disk_bytes = m.used_disk_bytes + d.disk, version = m.version + 1,
                claim_sequence = m.claim_sequence + 1, last_claim_txn = p_txn
            FROM charge d WHERE m.machine_id = d.id
            RETURNING m.*
        )
        SELECT coalesce(array_agg(c.machine_id), '{}'), coalesce(array_agg(c.version), '{}'),
               coalesce(array_agg(c.claim_sequence), '{}'), coalesce(array_agg(c.cpu_milli), '{}'),
               coalesce(array_agg(c.memory_bytes), '{}'), coalesce(array_agg(c.disk_bytes), '{}'),
               coalesce(array_agg(c.used_cpu_milli), '{}'), coalesce(array_agg(c.used_memory_bytes), '{}'),
               coalesce(array_agg(c.used_disk_bytes), '{}'), coalesce(array_agg(c.up AND c.schedulable), '{}')
        INTO machine_id, version, claim_sequence, cpu_milli, memory_bytes, disk_bytes, used_cpu_milli,
             used_memory_bytes, used_disk_bytes, available
        FROM (SELECT * FROM charged ORDER BY charged.machine_id) c;

        INSERT INTO cell_log (
            at, kind, txn_id, scheduler_id, claim_job, claim_machine, claim_slots, claim_accepted, claim_reason,
            claim_free, claim_first_index, claim_rival_txn, claim_rival_scheduler, claim_tasks, claim_placed,
            claim_placed_on, claim_preempted, machine_id, machine_version, machine_used)
        SELECT v_now, 'commit', p_txn, p_scheduler, array_agg(p_jobs[c.job]), array_agg(p_machines[c.machine]), p_slots,
               CASE WHEN v_fits THEN '{}' ELSE commit_claims.accepted END, commit_claims.reason, commit_claims.free,
               commit_claims.first_index, commit_claims.rival_txn, commit_claims.rival_scheduler, p_tasks,
               CASE WHEN commit_claims.tasks = commit_claims.accepted THEN '{}' ELSE commit_claims.tasks END,
               CASE WHEN commit_claims.placed_on = p_machine OR commit_claims.placed_on = '{}' THEN '{}'
                    ELSE (SELECT array_agg(p_machines[x.machine] ORDER BY x.ord)
                          FROM unnest(commit_claims.placed_on) WITH ORDINALITY AS x(machine, ord)) END,
               CASE WHEN v_taken = '{}' THEN '{}' ELSE commit_claims.preempted END,
               commit_claims.machine_id, commit_claims.version,
               commit_claims.used_cpu_milli || commit_claims.used_memory_bytes || commit_claims.used_disk_bytes
        FROM (SELECT * FROM unnest(p_job, p_machine) WITH ORDINALITY AS x(job, machine, ord) ORDER BY x.ord) c;

        IF v_fits AND NOT v_extended AND p_alternative_job = '{}' THEN
            RETURN; -- every machine touched was charged, so these rows are the answer's
        END IF;
    END IF;

    SELECT a.* INTO machine_id, version, claim_sequence, cpu_milli, memory_bytes, disk_bytes, used_cpu_milli,
                    used_memory_bytes, used_disk_bytes, available, extras
    FROM machine_arrays(p_machines) a;
END
$$;
