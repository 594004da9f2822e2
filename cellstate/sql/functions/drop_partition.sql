-- Drops one partition that old_partitions named. Final outcomes in it stay counted in the jobs that remain; readers of
-- the feed whose snapshot is older than what the log lost are told to load everything (cell.purged_xid).
-- Parameters: cell_log or outcome, the partition. Returns whether it was dropped: somebody who holds the table, or a
-- rival purge, leaves it for the next. Locks: the jobs concerned by id, the cell's row, then the table, under lock_timeout.
CREATE FUNCTION drop_partition(p_table text, p_partition text) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true);
    IF p_table = 'outcome' THEN
        EXECUTE format('SELECT FROM job_state s WHERE s.job_id IN (SELECT o.job_id FROM %I o WHERE o.final) '
                       'ORDER BY s.job_id FOR UPDATE', p_partition);
        EXECUTE format(
            'UPDATE job_state s SET purged_succeeded = s.purged_succeeded + o.succeeded, '
            'purged_unsuccessful = s.purged_unsuccessful + o.unsuccessful FROM ('
            'SELECT f.job_id, count(*) FILTER (WHERE f.state = ''succeeded'') AS succeeded, '
            'count(*) FILTER (WHERE f.state <> ''succeeded'') AS unsuccessful FROM %I f WHERE f.final GROUP BY f.job_id) o '
            'WHERE s.job_id = o.job_id', p_partition);
    ELSE
        EXECUTE format(
            'UPDATE cell c SET purged_xid = l.xid FROM (SELECT x.xid FROM %I x ORDER BY x.xid DESC LIMIT 1) l '
            'WHERE l.xid > c.purged_xid', p_partition);
    END IF;
    EXECUTE format('DROP TABLE %I', p_partition);
    RETURN true;
EXCEPTION WHEN lock_not_available OR undefined_table OR deadlock_detected THEN
    RETURN false;
END
$$;
