-- Jobs whose deadline has passed, or whose client has not renewed its lease; of a lease only once the server itself has
-- been up for so long (an outage must not end programs' jobs). Rows: job, why, of how many seconds; some at once.
-- No locks. Index: job_expiry_at_index.
CREATE FUNCTION expired_jobs() RETURNS TABLE (job_id bigint, why text, seconds double precision)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT e.job_id, e.why, e.seconds
    FROM job_expiry e
    WHERE e.at <= cell_now()
      AND (e.why = 'deadline' OR cell_now() >= server_up_since() + make_interval(secs => e.seconds))
    ORDER BY e.job_id, e.why LIMIT 1000
$$;
