-- The daily partitions of a table that hold nothing as young as a time; never those of today and yesterday.
-- Parameters: cell_log or outcome, the time. Rows: names, oldest first. Locks: none.
CREATE FUNCTION old_partitions(p_table text, p_before double precision) RETURNS TABLE (partition text)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT c.relname::text
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = p_table::regclass AND c.relname ~ '_[0-9]{8}$'
      AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= least(
          (to_timestamp(p_before) AT TIME ZONE 'UTC')::date, (cell_now() AT TIME ZONE 'UTC')::date - 1)
    ORDER BY c.relname
$$;
