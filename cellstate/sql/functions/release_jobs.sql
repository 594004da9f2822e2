-- Settles what jobs wait for where a parent has ended: those that wait for nothing more are queued, those whose
-- parent has not succeeded are cancelled. Parameters: how many jobs at most. One row: how many were looked at (0: nothing
-- was due), whether one may be placed now, whether more is due.
-- Locks: the waiting jobs by id, then their rows of dependency. The parents are final, which only retry_failed changes; then
-- nothing is settled. Index: dependency_due_index: what is not due is not read, or each of a job's 10,000 parents would,
-- with its end, cost as much as all of them.
--
-- A parent that a purge has forgotten ended while its child was on its way in somebody's own transaction, where no purge
-- saw that it was waited for.
CREATE FUNCTION release_jobs(p_limit int, OUT looked_at int, OUT queued boolean, OUT due boolean)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_jobs bigint[];
    v_failing bigint[];
    v_reasons text[];
    v_free bigint[];
BEGIN
    -- By look-ups, row by row: a join might read all jobs there are for the one that is due.
    SELECT array_agg(c.child_job) INTO v_jobs FROM (
        SELECT DISTINCT d.child_job FROM dependency d
        WHERE d.due AND coalesce((SELECT p.state FROM job_state p WHERE p.job_id = d.parent_job), 'purged')
                        IN ('succeeded', 'failed', 'cancelled', 'purged')
        ORDER BY d.child_job LIMIT p_limit
    ) c;
    SELECT array_agg(l.job_id) INTO v_jobs FROM (
        SELECT s.job_id FROM job_state s WHERE s.job_id = ANY (v_jobs) ORDER BY s.job_id FOR UPDATE
    ) l;
    looked_at := coalesce(cardinality(v_jobs), 0);
    queued := false;
    due := false;
    IF v_jobs IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM dependency d
    WHERE d.due AND d.child_job = ANY (v_jobs) ORDER BY d.parent_job, d.child_job FOR UPDATE;

    WITH settled AS (
        DELETE FROM dependency d
        WHERE d.due AND d.child_job = ANY (v_jobs)
          AND coalesce((SELECT p.state FROM job_state p WHERE p.job_id = d.parent_job), 'purged')
              IN ('succeeded', 'failed', 'cancelled', 'purged')
        RETURNING d.child_job, d.parent_job, d.any_end,
                  coalesce((SELECT p.state FROM job_state p WHERE p.job_id = d.parent_job), 'purged') AS state
    ), counted AS (
        SELECT t.child_job, count(*) AS n,
               min(t.parent_job) FILTER (WHERE NOT t.any_end AND t.state <> 'succeeded') AS parent_job
        FROM settled t GROUP BY t.child_job
    ), freed AS (
        UPDATE job_state s
        SET blocked_by = s.blocked_by - c.n,
            state = CASE WHEN s.blocked_by = c.n AND c.parent_job IS NULL THEN 'pending' ELSE s.state END
        FROM counted c WHERE s.job_id = ANY (v_jobs) AND s.job_id = c.child_job
        RETURNING s.job_id, s.state
    )
    SELECT (SELECT array_agg(c.child_job ORDER BY c.child_job) FROM counted c WHERE c.parent_job IS NOT NULL),
           (SELECT array_agg(format('j%s, which it comes after, %s', c.parent_job,
                                    CASE t.state WHEN 'failed' THEN 'failed' ELSE 'was ' || t.state END) ORDER BY c.child_job)
            FROM counted c JOIN settled t ON t.child_job = c.child_job AND t.parent_job = c.parent_job),
           (SELECT array_agg(f.job_id ORDER BY f.job_id) FROM freed f WHERE f.state = 'pending')
    INTO v_failing, v_reasons, v_free;

    IF v_failing IS NOT NULL THEN
        PERFORM withdraw_jobs(v_failing, v_reasons, false);
    END IF;
    IF v_free IS NOT NULL THEN
        PERFORM requeue_jobs(v_free, array_fill(cell_now(), ARRAY[cardinality(v_free)]));
        queued := true;
    END IF;
    -- Those withdrawn end here, and so does an open one that was closed without a task.
    SELECT f.due INTO due FROM fold_jobs(v_jobs, true) f;
    due := due OR looked_at = p_limit;
END
$$;
