-- What happened since a reader's snapshot, for people, oldest first, with the snapshot to come back with.
-- Parameters: the reader's last pg_snapshot (null: nothing yet), and when the server had come up then.
-- Rows: one an event (model.Event), and one with a null kind where there is none. Locks: the log, shared.
-- Index: cell_log_xid_index.
--
-- What had not begun then, or was in progress, in one statement under the lock: see sync_machines. A server that crashed
-- gives the transaction ids that it forgot (synchronous_commit = off) to others, which the snapshot from before passes
-- over: where it came up since, all that it logged since is new.
CREATE FUNCTION read_events(p_snapshot pg_snapshot, p_up_since double precision) RETURNS TABLE (
    generation bigint, up_since double precision, snapshot text, at double precision, kind text, job_id bigint,
    machine_id bigint, scheduler_id bigint, count bigint, reason bigint, state text, detail text)
LANGUAGE sql VOLATILE SET search_path FROM CURRENT
AS $$
    LOCK TABLE cell_log IN ACCESS SHARE MODE;
    WITH server AS MATERIALIZED (
        SELECT extract(epoch FROM server_up_since())::double precision AS up_since
    ), seen AS MATERIALIZED (
        SELECT a.* FROM cell_log a WHERE a.xid >= pg_snapshot_xmax(p_snapshot)
        UNION ALL
        SELECT b.* FROM cell_log b WHERE b.xid = ANY (ARRAY(SELECT pg_snapshot_xip(p_snapshot)))
        UNION ALL
        SELECT c.* FROM server s, cell_log c
        WHERE s.up_since <> p_up_since AND c.at >= to_timestamp(s.up_since)
          AND NOT (c.xid >= pg_snapshot_xmax(p_snapshot) OR c.xid = ANY (ARRAY(SELECT pg_snapshot_xip(p_snapshot))))
    ), told AS (
        SELECT l.at, l.log_id, t.*
        FROM seen l CROSS JOIN LATERAL (
            SELECT c.ord, v.part, v.kind, c.job_id, v.machine_id, l.scheduler_id, v.count, v.reason, '', ''
            FROM unnest(l.claim_job, l.claim_machine, l.claim_slots, l.claim_accepted, l.claim_reason, l.claim_placed_on)
                WITH ORDINALITY AS c(job_id, machine_id, slots, accepted, reason, placed_on, ord)
            CROSS JOIN LATERAL (VALUES
                (1, 'placed', coalesce(c.placed_on, c.machine_id), coalesce(c.accepted, c.slots), 0),
                (2, 'refused', c.machine_id, c.slots - coalesce(c.accepted, c.slots), c.reason)
            ) AS v(part, kind, machine_id, count, reason)
            WHERE v.count > 0
            UNION ALL
            SELECT m.ord, 1, k.event, 0, m.machine_id, 0, 0, 0, '', ''
            FROM (VALUES ('register', 'machine_up'), ('lost', 'machine_lost'), ('drain', 'machine_drained'),
                         ('uncordon', 'machine_uncordoned')) AS k(kind, event)
            CROSS JOIN unnest(l.machine_id) WITH ORDINALITY AS m(machine_id, ord)
            WHERE k.kind = l.kind
            UNION ALL
            SELECT j.ord, 1, 'job_' || l.kind, j.job_id, 0, 0, 0, 0, j.state, l.detail
            FROM unnest(l.job_id, l.job_state) WITH ORDINALITY AS j(job_id, state, ord)
        ) AS t(ord, part, kind, job_id, machine_id, scheduler_id, count, reason, state, detail)
    )
    SELECT (SELECT c.generation FROM cell c), s.up_since, pg_current_snapshot()::text,
           extract(epoch FROM t.at)::double precision, t.kind, t.job_id, t.machine_id, t.scheduler_id, t.count, t.reason,
           t.state, t.detail
    FROM server s LEFT JOIN told t ON true
    ORDER BY t.at, t.log_id, t.ord, t.part
$$;
