-- Makes the daily partitions of the two append-only tables for today and the two days after.
-- Returns how many were made. Locks: each table briefly, outcome first as reports do, under lock_timeout, so that a
-- stuck reader of the log delays housekeeping and never the cell: rows without a partition go to the default one.
CREATE FUNCTION ensure_partitions() RETURNS int
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_table text;
    v_day date;
    v_name text;
    v_made int := 0;
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true);
    FOREACH v_table IN ARRAY ARRAY['outcome', 'cell_log'] LOOP
        IF to_regclass(v_table || '_default') IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', v_table || '_default', v_table);
        END IF;
        FOR i IN 0..2 LOOP
            v_day := (cell_now() AT TIME ZONE 'UTC')::date + i;
            v_name := v_table || '_' || to_char(v_day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
            -- Behind who waits for a whole table everybody waits. Somebody's own transaction that has submitted holds the log
            -- for as long as it likes; the last of these days is in no hurry, and asked for again by every reap.
            PERFORM set_config('lock_timeout', CASE WHEN i = 2 THEN '20ms' ELSE '500ms' END, true);
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', v_name, v_table,
                    v_day::timestamp AT TIME ZONE 'UTC', (v_day + 1)::timestamp AT TIME ZONE 'UTC');
                v_made := v_made + 1;
            EXCEPTION WHEN lock_not_available OR check_violation OR duplicate_table THEN
                NULL; -- somebody holds the table, made the partition first, or the default has such rows
            END;
        END LOOP;
    END LOOP;
    RETURN v_made;
END
$$;
