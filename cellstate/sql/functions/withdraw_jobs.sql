-- Ends jobs' wish for places: nothing unnumbered is placed any more, and they wait for nothing. What they hold, and what
-- waits to run again, is the caller's (stop_placements, fold_jobs). Does nothing to final jobs. Returns the others.
-- Parameters: jobs, whose rows of job_state the caller has locked; the reason for each; whether they end as failed.
-- Locks: their rows of dependency.
CREATE FUNCTION withdraw_jobs(p_jobs bigint[], p_reasons text[], p_failing boolean) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_withdrawn bigint[];
BEGIN
    WITH withdrawn AS (
        UPDATE job_state s
        SET cancel_requested = true, claimed_by = 0, open = false, blocked_by = 0,
            failing = CASE WHEN s.cancel_requested THEN s.failing ELSE p_failing END,
            reason = CASE WHEN s.cancel_requested THEN s.reason ELSE u.reason END,
            never_placed = s.task_count - s.next_index,
            cancelled = s.cancelled + (s.task_count - s.next_index - s.never_placed)
        FROM unnest(p_jobs, p_reasons) AS u(job_id, reason)
        WHERE s.job_id = u.job_id AND s.state IN ('blocked', 'pending', 'running')
        RETURNING s.job_id
    )
    SELECT array_agg(w.job_id) INTO v_withdrawn FROM withdrawn w;
    IF v_withdrawn IS NULL THEN
        RETURN '{}';
    END IF;
    DELETE FROM job_queue q WHERE q.job_id = ANY (v_withdrawn);
    IF EXISTS (SELECT FROM dependency d WHERE d.child_job = ANY (v_withdrawn)) THEN
        PERFORM 1 FROM dependency d
        WHERE d.child_job = ANY (v_withdrawn) ORDER BY d.parent_job, d.child_job FOR UPDATE;
        DELETE FROM dependency d WHERE d.child_job = ANY (v_withdrawn);
    END IF;
    RETURN v_withdrawn;
END
$$;
