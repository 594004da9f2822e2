-- Takes jobs off the queue of the scheduler's kind: what it still holds, then new ones up to the limit.
-- Parameters: scheduler, its token, jobs in all. Rows: one a job, held ones first, then in queue order.
-- Locks: queue rows and job_state rows, both SKIP LOCKED: claiming never waits, so its order of locking (queue
-- before job, against everybody else's) cannot deadlock. Index: job_queue_order_index.
CREATE FUNCTION claim_jobs(p_scheduler bigint, p_token bigint, p_limit int) RETURNS TABLE (
    job_id bigint, name text, scheduler text, specification jsonb, priority int, task_count bigint, pending bigint,
    placed bigint, ended bigint, attempts bigint, fruitless bigint, conflicts bigint, measured_tasks bigint,
    measured_us bigint, submitted_at double precision, on_machine bigint[], on_count bigint[])
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_kind text;
    v_held bigint[];
    v_new bigint[];
    v_now timestamptz := cell_now();
BEGIN
    PERFORM check_scheduler(p_scheduler, p_token);
    -- A claim lost with the server's memory is a job still in the queue: nothing was promised to anybody.
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT s.kind INTO v_kind FROM scheduler s WHERE s.scheduler_id = p_scheduler;
    SELECT coalesce(array_agg(s.job_id ORDER BY s.job_id), '{}') INTO v_held
    FROM job_state s WHERE s.claimed_by = p_scheduler AND s.claimed_by <> 0;

    SELECT coalesce(array_agg(q.job_id), '{}') INTO v_new FROM (
        SELECT q.job_id FROM job_queue q
        WHERE q.scheduler = v_kind AND q.not_before <= v_now
        ORDER BY q.priority DESC, q.position
        LIMIT greatest(p_limit - cardinality(v_held), 0)
        FOR UPDATE SKIP LOCKED
    ) q;
    IF v_new <> '{}' THEN
        SELECT coalesce(array_agg(l.job_id ORDER BY array_position(v_new, l.job_id)), '{}') INTO v_new FROM (
            SELECT s.job_id FROM job_state s WHERE s.job_id = ANY (v_new) FOR UPDATE SKIP LOCKED
        ) l;
        DELETE FROM job_queue q WHERE q.job_id = ANY (v_new);
        UPDATE job_state s
        SET claimed_by = p_scheduler,
            first_scheduler = CASE WHEN s.first_attempt_at IS NULL THEN p_scheduler ELSE s.first_scheduler END,
            first_attempt_at = coalesce(s.first_attempt_at, v_now)
        WHERE s.job_id = ANY (v_new);
    END IF;

    RETURN QUERY
    SELECT j.job_id, j.name, j.scheduler, j.specification, j.priority, s.task_count,
           least(s.task_count - s.next_index - s.never_placed + coalesce(r.due, 0),
                 CASE WHEN s.max_running > 0 THEN greatest(s.max_running - s.placed, 0) END), s.placed,
           s.succeeded + s.failed + s.cancelled, s.attempts, s.fruitless, s.conflicts,
           s.measured_tasks, s.measured_us, extract(epoch FROM j.submitted_at)::double precision, coalesce(p.machines, '{}'), coalesce(p.counts, '{}')
    FROM unnest(v_held || v_new) WITH ORDINALITY AS u(id, ord)
    JOIN job j ON j.job_id = u.id
    JOIN job_state s ON s.job_id = u.id
    LEFT JOIN LATERAL (
        SELECT sum(t.count)::bigint AS due FROM retry t WHERE t.job_id = u.id AND t.not_before <= v_now
    ) r ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(c.machine_id) AS machines, array_agg(c.n) AS counts FROM (
            SELECT q.machine_id, count(*) AS n FROM placement q WHERE q.job_id = u.id
            GROUP BY q.machine_id ORDER BY q.machine_id
        ) c
        WHERE j.service OR j.specification->'anti_affinity' <> '[]' OR j.specification->>'spread' <> ''
    ) p ON true
    ORDER BY u.ord;
END
$$;
