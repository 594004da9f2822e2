-- Adds a transaction to its scheduler's counters (their meaning: SchedulerStore.commit).
-- Parameters: per claim the ordinal of its job, slots, accepted, reason (empty: all accepted).
-- Locks: the scheduler's row.
CREATE FUNCTION count_claims(p_scheduler bigint, p_job bigint[], p_slots bigint[], p_accepted bigint[], p_reason bigint[])
RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE scheduler s
    SET transactions_failed = s.transactions_failed + t.failed,
        transactions_succeeded = s.transactions_succeeded + t.succeeded,
        claims = s.claims + t.claims, claims_refused = s.claims_refused + t.refused,
        placements = s.placements + t.accepted
    FROM (
        SELECT count(*) FILTER (WHERE j.conflict) AS failed,
               count(*) FILTER (WHERE NOT j.conflict AND j.accepted > 0) AS succeeded,
               sum(j.slots) AS claims, sum(j.refused) AS refused, sum(j.accepted) AS accepted
        FROM (
            SELECT coalesce(bool_or(c.reason BETWEEN 1 AND 19), false) AS conflict, sum(c.slots) AS slots,
                   sum(c.accepted) AS accepted,
                   coalesce(sum(c.slots - c.accepted) FILTER (WHERE c.reason BETWEEN 1 AND 19 OR c.reason IN (40, 41)), 0)
                   AS refused
            FROM unnest(p_job, p_slots, p_accepted, p_reason) AS c(job, slots, accepted, reason) GROUP BY c.job
        ) j
    ) t
    WHERE s.scheduler_id = p_scheduler;
END
$$;
