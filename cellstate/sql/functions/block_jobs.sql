-- Notes what new jobs wait for, and blocks those that wait for anything. Parents that can no longer disappoint are not
-- waited for. Parameters: new jobs, with their rows. Raises OM002 for a parent that does not exist.
-- Locks: none beyond the new rows. A parent that ends at the same time does not see these; look_at_dependencies does.
CREATE FUNCTION block_jobs(p_jobs bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_unknown bigint;
BEGIN
    WITH named AS MATERIALIZED (
        -- Its state by a look-up: a join might read all jobs there are.
        SELECT n.child_job, n.parent_job, bool_and(n.any_end) AS any_end,
               (SELECT s.state FROM job_state s WHERE s.job_id = n.parent_job) AS state
        FROM (
            SELECT j.job_id AS child_job, x.id::bigint AS parent_job, false AS any_end
            FROM job j CROSS JOIN LATERAL jsonb_array_elements_text(j.specification->'after') AS x(id)
            WHERE j.job_id = ANY (p_jobs)
            UNION ALL
            SELECT j.job_id, x.id::bigint, true
            FROM job j CROSS JOIN LATERAL jsonb_array_elements_text(j.specification->'after_any') AS x(id)
            WHERE j.job_id = ANY (p_jobs)
        ) n
        GROUP BY n.child_job, n.parent_job
    ), waited AS (
        INSERT INTO dependency (parent_job, child_job, any_end)
        SELECT n.parent_job, n.child_job, n.any_end
        FROM named n
        WHERE n.parent_job < n.child_job
          AND NOT (n.state = 'succeeded' OR (n.any_end AND n.state IN ('failed', 'cancelled')))
        ORDER BY n.parent_job, n.child_job
        RETURNING child_job
    ), blocked AS (
        UPDATE job_state s SET state = 'blocked', blocked_by = w.n
        FROM (SELECT child_job, count(*) AS n FROM waited GROUP BY child_job) w
        WHERE s.job_id = ANY (p_jobs) AND s.job_id = w.child_job
    )
    SELECT min(n.parent_job) INTO v_unknown
    FROM named n WHERE n.parent_job >= n.child_job OR n.state IS NULL;
    IF v_unknown IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'OM002',
            MESSAGE = format('job j%s, to come after, does not exist in this cell; omega jobs lists those that do', v_unknown);
    END IF;
END
$$;
