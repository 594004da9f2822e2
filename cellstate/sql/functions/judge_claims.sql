-- The commit rule, claim by claim; the twin of cellstate/judge.py, where it is worded. Writes nothing.
-- Parameters: as commit_claims, and the present. The caller holds the locks on jobs and machines.
-- One row: per claim accepted, reason, free, rival transaction, rival scheduler.
CREATE FUNCTION judge_claims(
    p_scheduler bigint, p_jobs bigint[], p_machines bigint[], p_job bigint[], p_machine bigint[], p_slots bigint[],
    p_seen bigint[], p_now timestamptz,
    OUT accepted bigint[], OUT reason bigint[], OUT free bigint[], OUT rival_txn uuid[], OUT rival_scheduler bigint[])
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_claims int := cardinality(p_job);
    -- per job, by ordinal
    j_mine boolean[]; j_cpu bigint[]; j_memory bigint[]; j_disk bigint[]; j_coarse boolean[]; j_commit text[];
    j_left bigint[]; j_needed bigint[];
    -- per machine, by ordinal; null sequence: no such machine
    m_up boolean[]; m_open boolean[]; m_sequence bigint[]; m_cpu bigint[]; m_memory bigint[]; m_disk bigint[];
    m_rival uuid[]; m_rival_scheduler bigint[];
    v_j int; v_m int; v_from int := 1; v_fit bigint; v_dimension int; v_found bigint; v_take bigint; v_reason int;
    v_group_failed boolean := false; v_group_accepted bigint := 0; v_undo boolean;
BEGIN
    accepted := array_fill(0::bigint, ARRAY[v_claims]);
    reason := accepted;
    free := accepted;
    rival_scheduler := accepted;
    rival_txn := array_fill(null::uuid, ARRAY[v_claims]);

    SELECT array_agg(coalesce(s.claimed_by = p_scheduler AND NOT s.cancel_requested, false) ORDER BY u.ord),
           array_agg(coalesce(j.cpu_milli, 0) ORDER BY u.ord), array_agg(coalesce(j.memory_bytes, 0) ORDER BY u.ord),
           array_agg(coalesce(j.disk_bytes, 0) ORDER BY u.ord),
           array_agg(coalesce(j.detection = 'coarse', false) ORDER BY u.ord),
           array_agg(coalesce(j.commit, 'incremental') ORDER BY u.ord),
           array_agg(coalesce(s.task_count - s.next_index - s.never_placed + r.due, 0) ORDER BY u.ord),
           array_agg(coalesce(CASE j.gang_min WHEN 0 THEN s.task_count ELSE j.gang_min END
                              - s.placed - s.succeeded - s.failed - s.cancelled, 0) ORDER BY u.ord)
    INTO j_mine, j_cpu, j_memory, j_disk, j_coarse, j_commit, j_left, j_needed
    FROM unnest(p_jobs) WITH ORDINALITY AS u(job_id, ord)
    LEFT JOIN job j ON j.job_id = u.job_id
    LEFT JOIN job_state s ON s.job_id = u.job_id
    LEFT JOIN LATERAL (SELECT count(*) AS due FROM retry t WHERE t.job_id = u.job_id AND t.not_before <= p_now) r ON true;

    SELECT array_agg(m.up ORDER BY u.ord), array_agg(m.schedulable ORDER BY u.ord),
           array_agg(m.claim_sequence ORDER BY u.ord), array_agg(m.cpu_milli - m.used_cpu_milli ORDER BY u.ord),
           array_agg(m.memory_bytes - m.used_memory_bytes ORDER BY u.ord),
           array_agg(m.disk_bytes - m.used_disk_bytes ORDER BY u.ord), array_agg(m.last_claim_txn ORDER BY u.ord)
    INTO m_up, m_open, m_sequence, m_cpu, m_memory, m_disk, m_rival
    FROM unnest(p_machines) WITH ORDINALITY AS u(machine_id, ord)
    LEFT JOIN machine m ON m.machine_id = u.machine_id;

    FOR i IN 1..v_claims LOOP
        v_j := p_job[i];
        v_m := p_machine[i];
        IF i = 1 OR v_j <> p_job[i - 1] THEN
            v_from := i;
            v_group_failed := false;
            v_group_accepted := 0;
        END IF;

        v_take := 0;
        v_reason := CASE
            WHEN NOT j_mine[v_j] THEN 30
            WHEN m_sequence[v_m] IS NULL THEN 22
            WHEN NOT m_up[v_m] THEN 20
            WHEN NOT m_open[v_m] THEN 21
            WHEN j_coarse[v_j] AND p_seen[i] <> m_sequence[v_m] THEN 10
            ELSE 0 END;
        IF v_reason = 10 THEN
            free[i] := m_sequence[v_m];
        ELSIF v_reason = 0 THEN
            -- How many fit, and which dimension says so first.
            v_fit := NULL;
            v_dimension := 0;
            v_found := 0;
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
            v_take := p_slots[i];
            IF v_fit < v_take THEN
                v_take := v_fit;
                v_reason := v_dimension;
                free[i] := v_found;
            END IF;
            IF v_take > j_left[v_j] THEN
                v_take := j_left[v_j];
                v_reason := 31;
                free[i] := j_left[v_j];
            END IF;
        END IF;
        IF v_reason <> 0 THEN
            v_group_failed := true;
            IF j_commit[v_j] = 'all_or_nothing' THEN
                v_take := 0;
            END IF;
            IF v_reason BETWEEN 1 AND 19 AND p_seen[i] <> m_sequence[v_m] THEN
                rival_txn[i] := m_rival[v_m];
            END IF;
        END IF;
        accepted[i] := v_take;
        reason[i] := v_reason;
        m_cpu[v_m] := m_cpu[v_m] - v_take * j_cpu[v_j];
        m_memory[v_m] := m_memory[v_m] - v_take * j_memory[v_j];
        m_disk[v_m] := m_disk[v_m] - v_take * j_disk[v_j];
        j_left[v_j] := j_left[v_j] - v_take;
        v_group_accepted := v_group_accepted + v_take;

        -- The job's last claim decides about its group; a refused group leaves no trace.
        CONTINUE WHEN i < v_claims AND p_job[i + 1] = v_j;
        v_undo := CASE j_commit[v_j]
            WHEN 'all_or_nothing' THEN v_group_failed
            WHEN 'gang' THEN v_group_accepted < j_needed[v_j]
            ELSE false END;
        CONTINUE WHEN NOT v_undo;
        FOR k IN v_from..i LOOP
            v_m := p_machine[k];
            m_cpu[v_m] := m_cpu[v_m] + accepted[k] * j_cpu[v_j];
            m_memory[v_m] := m_memory[v_m] + accepted[k] * j_memory[v_j];
            m_disk[v_m] := m_disk[v_m] + accepted[k] * j_disk[v_j];
            j_left[v_j] := j_left[v_j] + accepted[k];
            accepted[k] := 0;
            IF reason[k] = 0 THEN
                reason[k] := CASE j_commit[v_j] WHEN 'gang' THEN 41 ELSE 40 END;
            END IF;
        END LOOP;
    END LOOP;

    SELECT array_agg(r.txn ORDER BY r.ord), array_agg(coalesce(r.scheduler_id, 0) ORDER BY r.ord)
    INTO rival_txn, rival_scheduler
    FROM (
        SELECT u.ord, u.txn, (SELECT l.scheduler_id FROM cell_log l WHERE l.txn_id = u.txn LIMIT 1) AS scheduler_id
        FROM unnest(rival_txn) WITH ORDINALITY AS u(txn, ord)
    ) r;
END
$$;
