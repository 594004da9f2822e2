-- Which of these jobs are gangs that have lost so many members that their minimum no longer holds, so that what is left is to
-- start again together: a gang runs together or not at all. Parameters: jobs, whose rows of job_state the caller has
-- locked. Locks: none.
CREATE FUNCTION short_gangs(p_jobs bigint[]) RETURNS bigint[]
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce(array_agg(s.job_id), '{}')
    FROM job_state s JOIN job j ON j.job_id = s.job_id
    WHERE s.job_id = ANY (p_jobs) AND s.state = 'running' AND s.placed > 0 AND NOT s.cancel_requested
      -- Asked of gangs alone: it reads all that a job holds, and the planner would ask it before it knows what is one.
      AND CASE WHEN j.commit = 'gang' THEN gang_missing(s.job_id) > 0 ELSE false END
      AND (s.next_index + s.never_placed < s.task_count OR EXISTS (SELECT FROM retry r WHERE r.job_id = s.job_id))
$$;
