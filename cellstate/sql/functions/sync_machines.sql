-- The machines that changed since a reader's snapshot, and the snapshot to come back with.
-- Parameters: the reader's last pg_snapshot. One row: machine_arrays of what changed, its cold facts where a
-- registration is among the changes, the log rows read, the new snapshot, the
-- cell's generation. Locks: none. Index: cell_log_xid_index.
--
-- Sequence order is not commit order, and "everything from the oldest running transaction on" reads all again
-- while anybody's transaction is open. So: what had not begun then (xid >= xmax), or was then in progress. One
-- statement, hence one snapshot for the rows and for the watermark; the function must stay STABLE for that.
CREATE FUNCTION sync_machines(p_snapshot pg_snapshot) RETURNS TABLE (
    generation bigint, log_rows bigint, snapshot text, fact_machine bigint[], fact_name text[], fact_attributes text[],
    machine_id bigint[], version bigint[], claim_sequence bigint[], cpu_milli bigint[], memory_bytes bigint[],
    disk_bytes bigint[], used_cpu_milli bigint[], used_memory_bytes bigint[], used_disk_bytes bigint[],
    available boolean[])
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    WITH seen AS MATERIALIZED (
        SELECT l.kind, l.machine_id FROM cell_log l WHERE l.xid >= pg_snapshot_xmax(p_snapshot)
        UNION ALL
        SELECT l.kind, l.machine_id FROM cell_log l
        WHERE l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(p_snapshot)))
    ), facts AS (
        SELECT f.* FROM machine_fact f WHERE f.machine_id IN (
            SELECT unnest(s.machine_id) FROM seen s WHERE s.kind = 'register')
    )
    SELECT (SELECT c.generation FROM cell c), (SELECT count(*) FROM seen), pg_current_snapshot()::text,
           (SELECT coalesce(array_agg(f.machine_id ORDER BY f.machine_id), '{}') FROM facts f),
           (SELECT coalesce(array_agg(f.name ORDER BY f.machine_id), '{}') FROM facts f),
           (SELECT coalesce(array_agg(f.attributes::text ORDER BY f.machine_id), '{}') FROM facts f),
           a.*
    FROM machine_arrays(ARRAY(SELECT DISTINCT unnest(s.machine_id) FROM seen s)) a
$$;
