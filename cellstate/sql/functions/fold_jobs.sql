-- Folds reported counts into job_state; the only place that ends a job.
-- Parameters: job ids, or null for all jobs with unfolded counts; whether the commit waits for the disk (a fold
-- that is lost is done again from job_delta, by the next reap). One row: the number of jobs looked at; whether jobs that
-- wait for one that ended are due (release_jobs, in a transaction of its own: they may have lower ids than jobs locked here).
-- Locks: the jobs by id; where a gang restarts, or max_failures is reached, then machines by id and placements. Reports
-- only append to job_delta and retry, so a report never waits for a job; what
-- commits after this statement's snapshot is folded by its own reporter's fold.
CREATE FUNCTION fold_jobs(p_jobs bigint[], p_durable boolean, OUT folded int, OUT due boolean)
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_jobs bigint[] := p_jobs;
    v_told bigint[];
    v_failing bigint[];
    v_ended bigint[];
    v_now timestamptz := cell_now();
BEGIN
    folded := 0;
    due := false;
    IF NOT p_durable THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF v_jobs IS NULL THEN
        SELECT array_agg(DISTINCT d.job_id) INTO v_jobs FROM job_delta d;
    END IF;
    SELECT array_agg(l.job_id) INTO v_jobs FROM (
        SELECT s.job_id FROM job_state s WHERE s.job_id = ANY (v_jobs) ORDER BY s.job_id FOR UPDATE
    ) l;
    IF v_jobs IS NULL THEN
        RETURN;
    END IF;
    folded := cardinality(v_jobs);

    WITH gone AS (
        DELETE FROM job_delta d WHERE d.job_id = ANY (v_jobs) RETURNING d.*
    ), total AS (
        SELECT g.job_id, sum(g.ended) AS ended, sum(g.succeeded) AS succeeded, sum(g.failed) AS failed,
               sum(g.cancelled) AS cancelled, sum(g.measured_tasks) AS measured_tasks, sum(g.measured_us) AS measured_us
        FROM gone g GROUP BY g.job_id
    ), folded AS (
        UPDATE job_state s
        SET placed = s.placed - t.ended, succeeded = s.succeeded + t.succeeded, failed = s.failed + t.failed,
            cancelled = s.cancelled + t.cancelled, measured_tasks = s.measured_tasks + t.measured_tasks,
            measured_us = s.measured_us + t.measured_us
        FROM total t WHERE s.job_id = t.job_id
        RETURNING s.job_id, s.max_failures > 0 AND s.failed >= s.max_failures AND NOT s.cancel_requested AS failing
    )
    SELECT array_agg(f.job_id), array_agg(f.job_id) FILTER (WHERE f.failing) INTO v_told, v_failing FROM folded f;

    IF v_failing IS NOT NULL THEN
        v_failing := withdraw_jobs(v_failing, ARRAY(
            SELECT format('max_failures=%s was reached', s.max_failures)
            FROM unnest(v_failing) WITH ORDINALITY AS u(id, ord) JOIN job_state s ON s.job_id = u.id ORDER BY u.ord), true);
    END IF;

    -- A report that did not see the cancellation may have left something to run again: it is cancelled here.
    WITH gone AS (
        DELETE FROM retry r USING job_state s
        WHERE s.job_id = ANY (v_jobs) AND s.cancel_requested AND r.job_id = s.job_id
        RETURNING r.job_id, r.first_index, r.count, r.attempt
    ), told AS (
        INSERT INTO outcome (at, job_id, task_index, attempt, state, final, machine_id, exit_code, started_at,
                             ended_at, result, error, stdout_tail, stderr_tail, xid)
        SELECT v_now, g.job_id, g.first_index + i.n, g.attempt, 'cancelled', true, 0, -1, 'epoch', v_now, '', '', '', '',
               CASE WHEN j.open THEN pg_current_xact_id() END
        FROM gone g JOIN job j ON j.job_id = g.job_id CROSS JOIN LATERAL generate_series(0, g.count - 1) AS i(n)
    )
    UPDATE job_state s SET cancelled = s.cancelled + c.tasks
    FROM (SELECT g.job_id, sum(g.count) AS tasks FROM gone g GROUP BY g.job_id) c
    WHERE s.job_id = c.job_id;

    WITH ended AS (
        UPDATE job_state s
        SET state = CASE WHEN s.succeeded = s.task_count AND (s.task_count > 0 OR NOT s.cancel_requested) THEN 'succeeded'
                         WHEN s.failing THEN 'failed'
                         WHEN s.cancel_requested THEN 'cancelled' WHEN s.failed > 0 THEN 'failed' ELSE 'cancelled' END,
            ended_at = v_now, claimed_by = 0
        WHERE s.job_id = ANY (v_jobs) AND (s.state IN ('pending', 'running') OR s.state = 'blocked' AND s.cancel_requested)
          AND s.placed = 0 AND NOT s.open AND s.next_index + s.never_placed = s.task_count
          AND NOT EXISTS (SELECT FROM retry r WHERE r.job_id = s.job_id)
        RETURNING s.job_id
    )
    SELECT array_agg(e.job_id) INTO v_ended FROM ended e;
    IF v_ended IS NOT NULL THEN
        due := end_jobs(v_ended);
    END IF;

    PERFORM stop_placements(coalesce(v_failing, '{}'), short_gangs(v_jobs));
    IF v_failing IS NOT NULL THEN
        DELETE FROM reservation r WHERE r.job_id = ANY (v_failing); -- after machines, as in stop_job
    END IF;

    -- Only what was told makes a waiting job due: a zombie's report, or one sent twice, tells nothing.
    IF v_told IS NOT NULL THEN
        PERFORM requeue_jobs(v_told, array_fill(v_now, ARRAY[cardinality(v_told)]));
    END IF;
END
$$;
