-- The commit rule, claim by claim; the twin of cellstate/judge.py, where it is worded. Writes nothing.
-- Parameters: as commit_claims, and the present. The caller holds the locks on jobs and machines.
-- One row: per claim accepted, reason, free, rival transaction and scheduler, ordinal of the machine that took it,
-- how many victims it took; the devices of each accepted slot in order (empty where no job asks for any); the
-- ordinals of the victims taken, and of the job that took each.
--
-- Room is kept in arrays by ordinal of the machine. A refused group, and victims that did not suffice, are undone by
-- putting back a copy of these arrays: copying is cheap beside judging, and cannot be forgotten for one of them.
CREATE FUNCTION judge_claims(
    p_scheduler bigint, p_jobs bigint[], p_machines bigint[], p_job bigint[], p_machine bigint[], p_slots bigint[],
    p_seen bigint[], p_tasks bigint[], p_devices bigint[], p_victim_claim bigint[], p_victim_job bigint[],
    p_victim_first bigint[], p_victim_attempt bigint[], p_alternative_job bigint[], p_alternative_machine bigint[],
    p_now timestamptz,
    OUT accepted bigint[], OUT reason bigint[], OUT free bigint[], OUT rival_txn uuid[], OUT rival_scheduler bigint[],
    OUT placed_on bigint[], OUT preempted bigint[], OUT slot_devices bigint[], OUT taken bigint[],
    OUT taken_by bigint[])
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_claims int := cardinality(p_job);
    -- per job, by ordinal
    j_mine boolean[]; j_cpu bigint[]; j_memory bigint[]; j_disk bigint[]; j_gpu bigint[]; j_custom jsonb[];
    j_coarse boolean[]; j_commit text[]; j_left bigint[]; j_needed bigint[]; j_priority bigint[];
    j_single boolean[]; v_left bigint;
    -- per machine, by ordinal; null sequence: no such machine
    m_up boolean[]; m_open boolean[]; m_sequence bigint[]; m_cpu bigint[]; m_memory bigint[]; m_disk bigint[];
    m_rival uuid[]; m_custom jsonb[]; m_kept_for bigint[]; m_kept_priority bigint[];
    -- devices, those of one machine together: where a machine's begin and how many there are
    m_device bigint[]; m_devices bigint[]; d_free bigint[]; v_devices boolean; v_customs boolean; v_kept boolean;
    -- per victim; null priority: not placed there; t_same: the first entry that names the same placement;
    -- t_taken: ordinal of the job that took that placement, 0: nobody
    t_cpu bigint[]; t_memory bigint[]; t_disk bigint[]; t_milli bigint[]; t_mask bigint[]; t_custom jsonb[];
    t_priority bigint[]; t_preemptible boolean[]; t_same bigint[]; t_taken bigint[] := '{}';
    v_victim int := 1; v_next_victim int; v_victims int := cardinality(p_victim_claim); v_released int; v_gone boolean;
    v_alternatives int := cardinality(p_alternative_job); j_alternative int[]; v_rank int; v_first_rank int;
    -- copies: at the group's beginning, and before victims gave their room
    g_cpu bigint[]; g_memory bigint[]; g_disk bigint[]; g_free bigint[]; g_custom jsonb[]; g_taken bigint[];
    g_slots bigint[]; s_cpu bigint[]; s_memory bigint[]; s_disk bigint[]; s_free bigint[]; s_custom jsonb[];
    s_taken bigint[];
    v_j int; v_m int; v_from int := 1; v_slots bigint; v_tasks bigint; v_mask bigint; v_milli bigint; v_wanted bigint;
    v_fit bigint; v_dimension int; v_found bigint; v_room bigint; v_why int; v_take bigint; v_d int; v_bits int;
    v_best int; v_name text; v_amount bigint;
    v_group_failed boolean := false; v_group_accepted bigint := 0; v_undo boolean;
BEGIN
    accepted := array_fill(0::bigint, ARRAY[v_claims]);
    reason := accepted;
    free := accepted;
    rival_scheduler := accepted;
    preempted := accepted;
    placed_on := p_machine;
    slot_devices := '{}';
    rival_txn := array_fill(null::uuid, ARRAY[v_claims]);

    SELECT array_agg(a.mine), array_agg(a.cpu), array_agg(a.memory), array_agg(a.disk), array_agg(a.gpu),
           array_agg(a.custom), array_agg(a.coarse), array_agg(a.commit), array_agg(a.remaining), array_agg(a.needed),
           array_agg(a.priority), array_agg(a.single), bool_or(a.gpu > 0), bool_or(a.custom IS NOT NULL)
    INTO j_mine, j_cpu, j_memory, j_disk, j_gpu, j_custom, j_coarse, j_commit, j_left, j_needed, j_priority, j_single,
         v_devices, v_customs
    FROM (
        SELECT coalesce(s.claimed_by = p_scheduler AND NOT s.cancel_requested, false) AS mine,
               coalesce(j.cpu_milli, 0) AS cpu, coalesce(j.memory_bytes, 0) AS memory, coalesce(j.disk_bytes, 0) AS disk,
               coalesce(j.gpu_milli, 0) AS gpu, j.custom, coalesce(j.detection = 'coarse', false) AS coarse,
               coalesce(j.commit, 'incremental') AS commit, coalesce(j.priority, 0) AS priority,
               least(coalesce(s.task_count - s.next_index - s.never_placed + coalesce((
                         SELECT sum(t.count) FROM retry t WHERE t.job_id = u.job_id AND t.not_before <= p_now), 0), 0),
                     CASE WHEN s.max_running > 0 THEN greatest(s.max_running - s.placed, 0) END) AS remaining,
               coalesce(j.commit = 'gang' OR s.max_running > 0, false) AS single,
               CASE WHEN j.commit = 'gang' THEN gang_missing(u.job_id) ELSE 0 END AS needed
        FROM unnest(p_jobs) WITH ORDINALITY AS u(job_id, ord)
        LEFT JOIN job j ON j.job_id = u.job_id
        LEFT JOIN job_state s ON s.job_id = u.job_id
        ORDER BY u.ord
    ) a;

    SELECT array_agg(m.up ORDER BY u.ord), array_agg(m.schedulable ORDER BY u.ord),
           array_agg(m.claim_sequence ORDER BY u.ord), array_agg(m.cpu_milli - m.used_cpu_milli ORDER BY u.ord),
           array_agg(m.memory_bytes - m.used_memory_bytes ORDER BY u.ord),
           array_agg(m.disk_bytes - m.used_disk_bytes ORDER BY u.ord), array_agg(m.last_claim_txn ORDER BY u.ord)
    INTO m_up, m_open, m_sequence, m_cpu, m_memory, m_disk, m_rival
    FROM unnest(p_machines) WITH ORDINALITY AS u(machine_id, ord)
    LEFT JOIN machine m ON m.machine_id = u.machine_id;

    IF v_devices THEN
        WITH d AS MATERIALIZED (
            SELECT u.ord, x.device_index, 1000 - x.used_milli AS milli
            FROM unnest(p_machines) WITH ORDINALITY AS u(machine_id, ord) JOIN device x ON x.machine_id = u.machine_id
        )
        SELECT (SELECT array_agg(d.milli ORDER BY d.ord, d.device_index) FROM d),
               array_agg(c.n ORDER BY c.ord), array_agg(c.upto - c.n ORDER BY c.ord)
        INTO d_free, m_devices, m_device
        FROM (
            SELECT u.ord, coalesce(n.n, 0) AS n, coalesce(sum(n.n) OVER (ORDER BY u.ord), 0) AS upto
            FROM generate_subscripts(p_machines, 1) AS u(ord)
            LEFT JOIN (SELECT d.ord, count(*) AS n FROM d GROUP BY d.ord) n ON n.ord = u.ord
        ) c;
    END IF;
    IF v_customs THEN
        SELECT array_agg((SELECT jsonb_object_agg(c.name, c.capacity_milli - c.used_milli)
                          FROM machine_custom c WHERE c.machine_id = u.machine_id) ORDER BY u.ord)
        INTO m_custom FROM unnest(p_machines) WITH ORDINALITY AS u(machine_id, ord);
    END IF;
    v_kept := EXISTS (SELECT FROM reservation r WHERE r.until > p_now);
    IF v_kept THEN
        SELECT array_agg(r.job_id ORDER BY u.ord), array_agg(r.priority ORDER BY u.ord) INTO m_kept_for, m_kept_priority
        FROM unnest(p_machines) WITH ORDINALITY AS u(machine_id, ord)
        LEFT JOIN reservation r ON r.machine_id = u.machine_id AND r.until > p_now;
    END IF;
    IF v_victims > 0 THEN
        SELECT array_agg(p.cpu_milli ORDER BY v.ord), array_agg(p.memory_bytes ORDER BY v.ord),
               array_agg(p.disk_bytes ORDER BY v.ord), array_agg(least(j.gpu_milli, 1000) ORDER BY v.ord),
               array_agg(coalesce(p.devices, 0) ORDER BY v.ord), array_agg(j.custom ORDER BY v.ord),
               array_agg(CASE WHEN p.preempted_by IS NULL THEN j.priority END ORDER BY v.ord),
               array_agg(j.preemptible ORDER BY v.ord),
               array_agg(v.same ORDER BY v.ord), array_fill(0::bigint, ARRAY[v_victims])
        INTO t_cpu, t_memory, t_disk, t_milli, t_mask, t_custom, t_priority, t_preemptible, t_same, t_taken
        FROM (
            SELECT x.*, first_value(x.ord) OVER (PARTITION BY x.job_id, x.first_index, x.attempt ORDER BY x.ord) AS same
            FROM unnest(p_victim_claim, p_victim_job, p_victim_first, p_victim_attempt)
                WITH ORDINALITY AS x(claim, job_id, first_index, attempt, ord)
        ) v
        LEFT JOIN placement p ON p.job_id = v.job_id AND p.first_index = v.first_index AND p.attempt = v.attempt
            AND p.machine_id = p_machines[p_machine[v.claim]]
        LEFT JOIN job j ON j.job_id = p.job_id;
    END IF;
    IF v_alternatives > 0 THEN
        FOR k IN REVERSE v_alternatives..1 LOOP
            j_alternative[p_alternative_job[k]] := k;
        END LOOP;
    END IF;

    FOR i IN 1..v_claims LOOP
        v_j := p_job[i];
        v_m := p_machine[i];
        v_tasks := CASE WHEN j_single[v_j] THEN 1 ELSE coalesce(p_tasks[i], 1) END;
        v_mask := coalesce(p_devices[i], 0);
        v_milli := j_gpu[v_j];
        v_left := j_left[v_j];
        IF i = 1 OR v_j <> p_job[i - 1] THEN
            v_from := i;
            v_group_failed := false;
            v_group_accepted := 0;
            v_first_rank := j_alternative[v_j];
            IF j_commit[v_j] <> 'incremental' THEN
                g_cpu := m_cpu; g_memory := m_memory; g_disk := m_disk;
                g_free := d_free; g_custom := m_custom; g_taken := t_taken; g_slots := slot_devices;
            END IF;
        END IF;
        WHILE v_victim <= v_victims AND p_victim_claim[v_victim] < i LOOP
            v_victim := v_victim + 1;
        END LOOP;
        v_next_victim := v_victim;
        v_released := 0;
        v_gone := false;
        v_rank := NULL;

        -- One turn for the claim's machine, one more after each victim that gave its room, one per alternative.
        LOOP
            v_found := 0;
            v_fit := NULL;
            v_dimension := 0;
            v_why := CASE
                WHEN NOT j_mine[v_j] THEN 30
                WHEN m_sequence[v_m] IS NULL THEN 22
                WHEN NOT m_up[v_m] THEN 20
                WHEN NOT m_open[v_m] THEN 21
                WHEN v_kept AND m_kept_for[v_m] <> p_jobs[v_j] AND m_kept_priority[v_m] >= j_priority[v_j] THEN 23
                WHEN v_rank IS NULL AND j_coarse[v_j] AND p_seen[i] <> m_sequence[v_m] THEN 10
                ELSE 0 END;
            IF v_why = 10 THEN
                v_found := m_sequence[v_m];
            ELSIF v_why = 23 THEN
                v_found := m_kept_for[v_m];
            ELSIF v_why = 0 THEN
                -- How many fit, and which dimension says so first.
                IF j_cpu[v_j] > 0 THEN
                    v_fit := m_cpu[v_m] / j_cpu[v_j];
                    v_dimension := 1;
                    v_found := m_cpu[v_m];
                END IF;
                IF j_memory[v_j] > 0 AND (v_fit IS NULL OR m_memory[v_m] / j_memory[v_j] < v_fit) THEN
                    v_fit := m_memory[v_m] / j_memory[v_j];
                    v_dimension := 2;
                    v_found := m_memory[v_m];
                END IF;
                IF j_disk[v_j] > 0 AND (v_fit IS NULL OR m_disk[v_m] / j_disk[v_j] < v_fit) THEN
                    v_fit := m_disk[v_m] / j_disk[v_j];
                    v_dimension := 3;
                    v_found := m_disk[v_m];
                END IF;
                IF v_milli > 0 OR (v_mask <> 0 AND v_rank IS NULL) THEN
                    v_slots := 0;
                    v_room := 0;
                    IF v_mask <> 0 AND v_rank IS NULL THEN
                        v_bits := 0;
                        v_room := 1000;
                        FOR b IN 0..62 LOOP
                            IF v_mask & (1::bigint << b) <> 0 THEN
                                v_bits := v_bits + 1;
                                v_room := CASE WHEN b < m_devices[v_m] THEN least(v_room, d_free[m_device[v_m] + b + 1]) ELSE -1 END;
                                EXIT WHEN v_room < 0;
                            END IF;
                        END LOOP;
                        IF v_room < 0 OR v_bits <> (CASE WHEN v_milli BETWEEN 1 AND 999 THEN 1 ELSE v_milli / 1000 END) THEN
                            v_room := 0;
                        END IF;
                        v_slots := (v_milli > 0 AND v_room >= least(v_milli, 1000))::int;
                    ELSIF v_milli < 1000 THEN
                        FOR b IN 1..m_devices[v_m] LOOP
                            v_slots := v_slots + d_free[m_device[v_m] + b] / v_milli;
                            v_room := greatest(v_room, d_free[m_device[v_m] + b]);
                        END LOOP;
                    ELSE
                        FOR b IN 1..m_devices[v_m] LOOP
                            v_room := v_room + 1000 * (d_free[m_device[v_m] + b] = 1000)::int;
                        END LOOP;
                        v_slots := v_room / v_milli;
                    END IF;
                    IF v_fit IS NULL OR v_slots < v_fit THEN
                        v_fit := v_slots;
                        v_dimension := 4;
                        v_found := v_room;
                    END IF;
                END IF;
                IF j_custom[v_j] IS NOT NULL THEN
                    FOR v_name, v_amount IN
                        SELECT e.key, e.value::bigint FROM jsonb_each_text(j_custom[v_j]) e ORDER BY e.key COLLATE "C"
                    LOOP
                        v_room := coalesce((m_custom[v_m]->>v_name)::bigint, 0);
                        IF v_fit IS NULL OR v_room / v_amount < v_fit THEN
                            v_fit := v_room / v_amount;
                            v_dimension := 5;
                            v_found := v_room;
                        END IF;
                    END LOOP;
                END IF;
            END IF;

            IF v_rank IS NOT NULL THEN
                EXIT WHEN v_why = 0 AND (v_fit IS NULL OR v_fit > 0);
            ELSE
                IF v_released = 0 THEN
                    reason[i] := CASE WHEN v_why <> 0 THEN v_why WHEN v_fit < p_slots[i] THEN v_dimension ELSE 0 END;
                    free[i] := CASE WHEN reason[i] <> 0 THEN v_found ELSE 0 END;
                END IF;
                EXIT WHEN v_why = 0 AND (v_fit IS NULL OR v_fit > 0);
                IF v_why = 0 AND v_left > 0 THEN
                    -- The next victim gives its room; those that are gone are passed over.
                    WHILE v_next_victim <= v_victims AND p_victim_claim[v_next_victim] = i
                          AND (t_priority[v_next_victim] IS NULL OR t_taken[t_same[v_next_victim]] > 0) LOOP
                        v_gone := true;
                        v_next_victim := v_next_victim + 1;
                    END LOOP;
                    IF v_next_victim <= v_victims AND p_victim_claim[v_next_victim] = i THEN
                        IF v_released = 0 THEN
                            s_cpu := m_cpu; s_memory := m_memory; s_disk := m_disk;
                            s_free := d_free; s_custom := m_custom; s_taken := t_taken;
                        END IF;
                        IF NOT t_preemptible[v_next_victim] OR t_priority[v_next_victim] >= j_priority[v_j] THEN
                            v_why := 32;
                        ELSE
                            m_cpu[v_m] := m_cpu[v_m] + t_cpu[v_next_victim];
                            m_memory[v_m] := m_memory[v_m] + t_memory[v_next_victim];
                            m_disk[v_m] := m_disk[v_m] + t_disk[v_next_victim];
                            IF v_devices AND t_mask[v_next_victim] <> 0 THEN
                                FOR b IN 0..m_devices[v_m] - 1 LOOP
                                    IF t_mask[v_next_victim] & (1::bigint << b) <> 0 THEN
                                        v_d := m_device[v_m] + b + 1;
                                        d_free[v_d] := d_free[v_d] + t_milli[v_next_victim];
                                    END IF;
                                END LOOP;
                            END IF;
                            IF v_customs AND t_custom[v_next_victim] IS NOT NULL THEN
                                FOR v_name, v_amount IN
                                    SELECT e.key, e.value::bigint FROM jsonb_each_text(t_custom[v_next_victim]) e
                                LOOP
                                    m_custom[v_m] := m_custom[v_m] || jsonb_build_object(
                                        v_name, coalesce((m_custom[v_m]->>v_name)::bigint, 0) + v_amount);
                                END LOOP;
                            END IF;
                            t_taken[t_same[v_next_victim]] := v_j;
                            v_released := v_released + 1;
                            v_next_victim := v_next_victim + 1;
                            CONTINUE;
                        END IF;
                    END IF;
                    IF v_why = 32 THEN
                        reason[i] := 32;
                        free[i] := 0;
                    ELSIF v_gone THEN
                        reason[i] := 6;
                    END IF;
                    IF v_released > 0 THEN
                        m_cpu := s_cpu; m_memory := s_memory; m_disk := s_disk;
                        d_free := s_free; m_custom := s_custom; t_taken := s_taken;
                        v_released := 0;
                    END IF;
                END IF;
            END IF;

            -- Nothing fits here: the next alternative, if the job has one.
            EXIT WHEN reason[i] IN (30, 32) OR v_left = 0 OR v_alternatives = 0;
            v_rank := CASE WHEN v_rank IS NULL THEN v_first_rank ELSE v_rank + 1 END;
            IF v_rank IS NULL OR v_rank > v_alternatives OR p_alternative_job[v_rank] <> v_j THEN
                v_first_rank := v_rank; -- nor will the job's next claim find any with room
                v_rank := -1;
                EXIT;
            END IF;
            v_m := p_alternative_machine[v_rank];
        END LOOP;

        v_take := CASE WHEN v_why <> 0 OR v_rank = -1 THEN 0 ELSE least(p_slots[i], coalesce(v_fit, p_slots[i])) END;
        IF v_rank > 0 AND v_take > 0 THEN
            reason[i] := 0;
            free[i] := 0;
            placed_on[i] := v_m;
            v_first_rank := v_rank; -- those before it have no room, and get none unless a victim gives some
        END IF;
        IF v_released > 0 THEN
            reason[i] := 0;
            free[i] := 0;
            preempted[i] := v_released;
            v_first_rank := j_alternative[v_j];
        END IF;
        IF v_take > (v_left + v_tasks - 1) / v_tasks THEN
            v_take := (v_left + v_tasks - 1) / v_tasks;
            reason[i] := 31;
            free[i] := v_left;
        END IF;
        IF reason[i] <> 0 THEN
            v_group_failed := true;
            IF j_commit[v_j] = 'all_or_nothing' THEN
                v_take := 0;
            END IF;
            IF reason[i] BETWEEN 1 AND 19 AND p_seen[i] <> m_sequence[p_machine[i]] THEN
                rival_txn[i] := m_rival[p_machine[i]];
            END IF;
        END IF;
        accepted[i] := v_take;
        IF v_take > 0 THEN
            m_cpu[v_m] := m_cpu[v_m] - v_take * j_cpu[v_j];
            m_memory[v_m] := m_memory[v_m] - v_take * j_memory[v_j];
            m_disk[v_m] := m_disk[v_m] - v_take * j_disk[v_j];
            j_left[v_j] := greatest(v_left - v_take * v_tasks, 0);
            v_group_accepted := v_group_accepted + v_take;
            IF j_custom[v_j] IS NOT NULL THEN
                FOR v_name, v_amount IN SELECT e.key, e.value::bigint FROM jsonb_each_text(j_custom[v_j]) e LOOP
                    m_custom[v_m] := m_custom[v_m]
                        || jsonb_build_object(v_name, (m_custom[v_m]->>v_name)::bigint - v_take * v_amount);
                END LOOP;
            END IF;
            IF v_milli > 0 THEN
                FOR k IN 1..v_take LOOP
                    IF v_mask = 0 OR v_rank > 0 THEN
                        v_mask := 0;
                        IF v_milli < 1000 THEN
                            v_best := NULL;
                            FOR b IN 0..m_devices[v_m] - 1 LOOP
                                v_d := m_device[v_m] + b + 1;
                                IF d_free[v_d] >= v_milli AND (v_best IS NULL OR d_free[v_d] < v_room) THEN
                                    v_best := b;
                                    v_room := d_free[v_d];
                                END IF;
                            END LOOP;
                            v_mask := 1::bigint << v_best;
                        ELSE
                            v_wanted := v_milli / 1000;
                            FOR b IN 0..m_devices[v_m] - 1 LOOP
                                EXIT WHEN v_wanted = 0;
                                IF d_free[m_device[v_m] + b + 1] = 1000 THEN
                                    v_mask := v_mask | (1::bigint << b);
                                    v_wanted := v_wanted - 1;
                                END IF;
                            END LOOP;
                        END IF;
                    END IF;
                    FOR b IN 0..m_devices[v_m] - 1 LOOP
                        IF v_mask & (1::bigint << b) <> 0 THEN
                            v_d := m_device[v_m] + b + 1;
                            d_free[v_d] := d_free[v_d] - least(v_milli, 1000);
                        END IF;
                    END LOOP;
                    slot_devices := slot_devices || v_mask;
                    v_mask := 0; -- named devices are of a claim's only slot
                END LOOP;
            ELSIF v_devices THEN
                slot_devices := slot_devices || array_fill(0::bigint, ARRAY[v_take::int]);
            END IF;
        END IF;

        -- The job's last claim decides about its group; a refused group leaves no trace.
        CONTINUE WHEN i < v_claims AND p_job[i + 1] = v_j;
        v_undo := CASE j_commit[v_j]
            WHEN 'all_or_nothing' THEN v_group_failed
            WHEN 'gang' THEN v_group_accepted < j_needed[v_j]
            ELSE false END;
        CONTINUE WHEN NOT v_undo;
        m_cpu := g_cpu; m_memory := g_memory; m_disk := g_disk;
        d_free := g_free; m_custom := g_custom; t_taken := g_taken; slot_devices := g_slots;
        FOR k IN v_from..i LOOP
            accepted[k] := 0;
            preempted[k] := 0;
            placed_on[k] := p_machine[k];
            IF reason[k] = 0 THEN
                reason[k] := CASE j_commit[v_j] WHEN 'gang' THEN 41 ELSE 40 END;
            END IF;
        END LOOP;
    END LOOP;

    SELECT coalesce(array_agg(u.ord ORDER BY u.ord), '{}'), coalesce(array_agg(u.job ORDER BY u.ord), '{}')
    INTO taken, taken_by
    FROM unnest(t_taken) WITH ORDINALITY AS u(job, ord) WHERE u.job > 0;
    SELECT array_agg(r.txn ORDER BY r.ord), array_agg(coalesce(r.scheduler_id, 0) ORDER BY r.ord)
    INTO rival_txn, rival_scheduler
    FROM (
        SELECT u.ord, u.txn, (SELECT l.scheduler_id FROM cell_log l WHERE l.txn_id = u.txn LIMIT 1) AS scheduler_id
        FROM unnest(rival_txn) WITH ORDINALITY AS u(txn, ord)
    ) r;
END
$$;
