-- Gives every job that has work and may be placed, and that nobody has claimed, its one row in the queue.
-- Parameters: job ids and, for each, a time before which it should not be tried. The caller holds the jobs'
-- rows of job_state locked. A row already queued keeps its place and gets the earlier time.
CREATE FUNCTION requeue_jobs(p_jobs bigint[], p_not_before timestamptz[]) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    INSERT INTO job_queue (job_id, scheduler, priority, not_before)
    SELECT s.job_id, j.scheduler, j.priority,
           greatest(u.not_before, CASE WHEN s.next_index + s.never_placed < s.task_count THEN cell_now() ELSE r.due END)
    FROM unnest(p_jobs, p_not_before) AS u(job_id, not_before)
    JOIN job_state s ON s.job_id = u.job_id
    JOIN job j ON j.job_id = u.job_id
    LEFT JOIN LATERAL (SELECT min(t.not_before) AS due FROM retry t WHERE t.job_id = u.job_id) r ON true
    WHERE s.claimed_by = 0 AND s.state IN ('pending', 'running') AND NOT s.held
      AND (s.max_running = 0 OR s.placed < s.max_running)
      AND (s.next_index + s.never_placed < s.task_count OR r.due IS NOT NULL)
    ORDER BY s.job_id
    ON CONFLICT (job_id) DO UPDATE SET not_before = least(job_queue.not_before, excluded.not_before)
$$;
