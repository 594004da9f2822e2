-- Appends one row to the log on jobs, with the states they have now. Parameters: what happened (submitted, changed,
-- ended), the jobs, what changed, and the request's id where it must not be done twice. Locks: none.
CREATE FUNCTION log_jobs(p_kind text, p_jobs bigint[], p_detail text, p_txn uuid DEFAULT NULL) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    INSERT INTO cell_log (at, kind, txn_id, job_id, job_state, detail)
    SELECT cell_now(), p_kind, p_txn, array_agg(s.job_id ORDER BY s.job_id), array_agg(s.state ORDER BY s.job_id), p_detail
    FROM job_state s WHERE s.job_id = ANY (p_jobs) HAVING count(*) > 0
$$;
