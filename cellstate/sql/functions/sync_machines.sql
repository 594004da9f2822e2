-- The machines that changed since a reader's snapshot, and the snapshot to come back with.
-- Parameters: the reader's last pg_snapshot. One row: machine_arrays of what changed, its cold facts where a
-- registration is among the changes, the log rows read, the new snapshot, the
-- cell's generation. Locks: the log, shared. Index: cell_log_xid_index.
--
-- Sequence order is not commit order, and "everything from the oldest running transaction on" reads all again
-- while anybody's transaction is open. So: what had not begun then (xid >= xmax), or was then in progress. One
-- statement, hence one snapshot for the rows and for the watermark. It is taken under the lock on the log, which
-- VOLATILE is for: a snapshot from before a purge that one waited for sees neither what was dropped nor that it was.
CREATE FUNCTION sync_machines(p_snapshot pg_snapshot) RETURNS TABLE (
    generation bigint, log_rows bigint, snapshot text, fact_machine bigint[], fact_name text[], fact_attributes text[],
    machine_id bigint[], version bigint[], claim_sequence bigint[], cpu_milli bigint[], memory_bytes bigint[],
    disk_bytes bigint[], used_cpu_milli bigint[], used_memory_bytes bigint[], used_disk_bytes bigint[],
    available boolean[], extras text)
LANGUAGE sql VOLATILE SET search_path FROM CURRENT
AS $$
    LOCK TABLE cell_log IN ACCESS SHARE MODE;
    WITH seen AS MATERIALIZED (
        SELECT l.kind, l.machine_id FROM cell_log l WHERE l.xid >= pg_snapshot_xmax(p_snapshot)
        UNION ALL
        SELECT l.kind, l.machine_id FROM cell_log l
        WHERE l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(p_snapshot)))
    ), facts AS (
        SELECT f.* FROM machine_fact f WHERE f.machine_id IN (
            SELECT unnest(s.machine_id) FROM seen s WHERE s.kind = 'register')
    )
    -- What the log has lost to a purge cannot be read any more: another generation makes the reader load everything.
    SELECT (SELECT CASE WHEN c.purged_xid >= pg_snapshot_xmax(p_snapshot) OR EXISTS (
                       SELECT FROM pg_snapshot_xip(p_snapshot) AS x(xid)
                       WHERE x.xid <= c.purged_xid AND pg_visible_in_snapshot(x.xid, pg_current_snapshot()))
                   THEN -1 ELSE c.generation END FROM cell c), (SELECT count(*) FROM seen), pg_current_snapshot()::text,
           (SELECT coalesce(array_agg(f.machine_id ORDER BY f.machine_id), '{}') FROM facts f),
           (SELECT coalesce(array_agg(f.name ORDER BY f.machine_id), '{}') FROM facts f),
           (SELECT coalesce(array_agg(f.attributes::text ORDER BY f.machine_id), '{}') FROM facts f),
           a.*
    FROM machine_arrays(ARRAY(SELECT DISTINCT unnest(s.machine_id) FROM seen s)) a
$$;
