-- Judges a transaction of claims and applies what is accepted, in one round trip (DESIGN section 4).
--
-- Parameters: the transaction's id, the scheduler and its token; the distinct jobs and machines touched, each
-- ascending; and the claims as parallel arrays: ordinal of its job, ordinal of its machine, slots, the
-- claim_sequence seen. The claims of one job stand together.
-- One row: per claim accepted, reason (model.Reason), free, first index, rival transaction and scheduler; then
-- the fresh state of the machines, as machine_arrays.
-- Locks: jobs by id, machines by id, then the scheduler's own row. Locking and reading are separate statements:
-- under READ COMMITTED the reading one sees what was committed while the locking one waited.
--
-- The judgement is a loop in judge_claims, and costs a few microseconds a claim; but most transactions fit as a
-- whole, and whether one does is a sum per machine, so that is asked first. (A running sum cannot replace the
-- loop: it counts refused claims and then refuses wrongly.)
CREATE FUNCTION commit_claims(
    p_txn uuid, p_scheduler bigint, p_token bigint, p_jobs bigint[], p_machines bigint[],
    p_job bigint[], p_machine bigint[], p_slots bigint[], p_seen bigint[],
    OUT accepted bigint[], OUT reason bigint[], OUT free bigint[], OUT first_index bigint[],
    OUT rival_txn uuid[], OUT rival_scheduler bigint[],
    OUT machine_id bigint[], OUT version bigint[], OUT claim_sequence bigint[], OUT cpu_milli bigint[],
    OUT memory_bytes bigint[], OUT disk_bytes bigint[], OUT used_cpu_milli bigint[],
    OUT used_memory_bytes bigint[], OUT used_disk_bytes bigint[], OUT available boolean[])
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_now timestamptz := cell_now();
    v_claims int := cardinality(p_job);
    v_fits boolean;
    v_judged record;
BEGIN
    PERFORM 1 FROM job_state s WHERE s.job_id = ANY (p_jobs) ORDER BY s.job_id FOR UPDATE;

    SELECT l.claim_accepted, l.claim_reason, l.claim_free, l.claim_first_index, l.claim_rival_txn, l.claim_rival_scheduler
    INTO accepted, reason, free, first_index, rival_txn, rival_scheduler
    FROM cell_log l WHERE l.txn_id = p_txn;
    IF NOT FOUND THEN
        IF NOT EXISTS (SELECT FROM scheduler s WHERE s.scheduler_id = p_scheduler AND s.token = p_token) THEN
            accepted := array_fill(0::bigint, ARRAY[v_claims]);
            reason := array_fill(50::bigint, ARRAY[v_claims]);
            free := accepted;
            first_index := array_fill(-1::bigint, ARRAY[v_claims]);
            rival_txn := array_fill(null::uuid, ARRAY[v_claims]);
            rival_scheduler := accepted;
        ELSE
            PERFORM 1 FROM machine m WHERE m.machine_id = ANY (p_machines) ORDER BY m.machine_id FOR UPDATE;

            SELECT count(*) = cardinality(p_jobs) INTO v_fits
            FROM (SELECT c.ord, sum(c.slots) AS slots FROM unnest(p_job, p_slots) AS c(ord, slots) GROUP BY c.ord) w
            JOIN job_state s ON s.job_id = p_jobs[w.ord]
            WHERE s.claimed_by = p_scheduler AND NOT s.cancel_requested
              AND w.slots <= s.task_count - s.next_index - s.never_placed;
            IF v_fits THEN
                SELECT count(*) = cardinality(p_machines) INTO v_fits
                FROM (
                    SELECT c.machine, sum(c.slots * j.cpu_milli) AS cpu, sum(c.slots * j.memory_bytes) AS memory,
                           sum(c.slots * j.disk_bytes) AS disk,
                           min(c.seen) FILTER (WHERE j.detection = 'coarse') AS least_seen,
                           max(c.seen) FILTER (WHERE j.detection = 'coarse') AS most_seen
                    FROM unnest(p_job, p_machine, p_slots, p_seen) AS c(job, machine, slots, seen)
                    JOIN job j ON j.job_id = p_jobs[c.job] GROUP BY c.machine
                ) w
                JOIN machine m ON m.machine_id = p_machines[w.machine]
                WHERE m.up AND m.schedulable
                  AND w.cpu <= m.cpu_milli - m.used_cpu_milli
                  AND w.memory <= m.memory_bytes - m.used_memory_bytes
                  AND w.disk <= m.disk_bytes - m.used_disk_bytes
                  AND (w.least_seen IS NULL OR (w.least_seen = m.claim_sequence AND w.most_seen = m.claim_sequence));
            END IF;
            -- A gang may be too small although everything it claims fits.
            IF v_fits THEN
                SELECT count(*) = 0 INTO v_fits
                FROM (SELECT c.ord, sum(c.slots) AS slots FROM unnest(p_job, p_slots) AS c(ord, slots) GROUP BY c.ord) w
                JOIN job j ON j.job_id = p_jobs[w.ord] AND j.commit = 'gang'
                JOIN job_state s ON s.job_id = j.job_id
                WHERE s.placed + w.slots < CASE j.gang_min WHEN 0 THEN s.task_count ELSE j.gang_min END;
            END IF;

            IF v_fits THEN
                accepted := p_slots;
                reason := array_fill(0::bigint, ARRAY[v_claims]);
                free := reason;
                rival_txn := array_fill(null::uuid, ARRAY[v_claims]);
                rival_scheduler := reason;
            ELSE
                SELECT * INTO v_judged
                FROM judge_claims(p_scheduler, p_jobs, p_machines, p_job, p_machine, p_slots, p_seen, v_now);
                accepted := v_judged.accepted;
                reason := v_judged.reason;
                free := v_judged.free;
                rival_txn := v_judged.rival_txn;
                rival_scheduler := v_judged.rival_scheduler;
            END IF;

            first_index := place_claims(p_txn, p_jobs, p_machines, p_job, p_machine, accepted, v_now);
            PERFORM count_claims(p_scheduler, p_job, p_slots, accepted, reason);
            INSERT INTO cell_log (
                at, kind, txn_id, scheduler_id, claim_job, claim_machine, claim_slots, claim_accepted, claim_reason,
                claim_free, claim_first_index, claim_rival_txn, claim_rival_scheduler, machine_id, machine_version,
                machine_used)
            SELECT v_now, 'commit', p_txn, p_scheduler,
                   (SELECT array_agg(p_jobs[c.o] ORDER BY c.ord) FROM unnest(p_job) WITH ORDINALITY AS c(o, ord)),
                   (SELECT array_agg(p_machines[c.o] ORDER BY c.ord) FROM unnest(p_machine) WITH ORDINALITY AS c(o, ord)),
                   p_slots, commit_claims.accepted, commit_claims.reason, commit_claims.free, commit_claims.first_index,
                   commit_claims.rival_txn, commit_claims.rival_scheduler, coalesce(t.ids, '{}'),
                   coalesce(t.versions, '{}'), coalesce(t.used, '{}')
            FROM (
                SELECT array_agg(m.machine_id ORDER BY m.machine_id) AS ids,
                       array_agg(m.version ORDER BY m.machine_id) AS versions,
                       array_agg(m.used_cpu_milli ORDER BY m.machine_id)
                       || array_agg(m.used_memory_bytes ORDER BY m.machine_id)
                       || array_agg(m.used_disk_bytes ORDER BY m.machine_id) AS used
                FROM machine m WHERE m.machine_id = ANY (p_machines) AND m.last_claim_txn = p_txn
            ) t;
        END IF;
    END IF;

    SELECT a.* INTO machine_id, version, claim_sequence, cpu_milli, memory_bytes, disk_bytes, used_cpu_milli,
                    used_memory_bytes, used_disk_bytes, available
    FROM machine_arrays(p_machines) a;
END
$$;
