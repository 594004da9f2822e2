-- Takes a job that has nothing left to place from whoever claimed it, and off the queue. Parameters: job, whose row of
-- job_state the caller has locked. Locks: its row of the queue.
CREATE FUNCTION unclaim_idle(p_job bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    UPDATE job_state s SET claimed_by = 0
    WHERE s.job_id = p_job AND s.next_index + s.never_placed = s.task_count
      AND NOT EXISTS (SELECT FROM retry r WHERE r.job_id = p_job);
    IF FOUND THEN
        DELETE FROM job_queue q WHERE q.job_id = p_job;
    END IF;
END
$$;
