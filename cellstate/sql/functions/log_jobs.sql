-- Appends one row to the log on jobs, with the states they have now. Parameters: what happened (submitted, changed,
-- ended), the jobs, and what changed. Locks: none.
CREATE FUNCTION log_jobs(p_kind text, p_jobs bigint[], p_detail text) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    INSERT INTO cell_log (at, kind, job_id, job_state, detail)
    SELECT cell_now(), p_kind, array_agg(s.job_id ORDER BY s.job_id), array_agg(s.state ORDER BY s.job_id), p_detail
    FROM job_state s WHERE s.job_id = ANY (p_jobs) HAVING count(*) > 0
$$;
