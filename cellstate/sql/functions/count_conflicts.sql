-- Claims refused for a conflict (model.Reason) since a time, counted by scheduler, machine, rival and reason.
-- Parameters: the time. Rows: one a group, with its claims and the slots refused. Locks: none. Index: cell_log_xid_index.
-- There is no index on times: backwards by transaction to one from a minute before, as a transaction draws its id a moment
-- after it looked at the clock, or once it got its locks.
CREATE FUNCTION count_conflicts(p_since double precision) RETURNS TABLE (
    scheduler_id bigint, machine_id bigint, rival_scheduler bigint, reason bigint, claims bigint, slots bigint)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT l.scheduler_id, c.machine_id, coalesce(c.rival, 0), c.reason, count(*), sum(c.slots - c.accepted)::bigint
    FROM cell_log l
    CROSS JOIN LATERAL unnest(
        l.claim_machine, l.claim_slots, l.claim_accepted, l.claim_reason, l.claim_rival_scheduler
    ) AS c(machine_id, slots, accepted, reason, rival)
    WHERE l.xid >= coalesce((SELECT e.xid FROM cell_log e WHERE e.at < to_timestamp(p_since) - interval '1 minute'
                             ORDER BY e.xid DESC LIMIT 1), '0')
      AND l.at >= to_timestamp(p_since) AND l.claim_reason <> '{}' AND c.reason BETWEEN 1 AND 19
    GROUP BY l.scheduler_id, c.machine_id, coalesce(c.rival, 0), c.reason
    ORDER BY 1, 2, 3, 4
$$;
