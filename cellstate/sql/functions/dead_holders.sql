-- Who may be reaped: machines of workers, and schedulers, whose lease is over, once the server itself has been up
-- for that holder's lease (an outage must not kill the cell).
-- Rows: (machine_id or 0, worker_id or 0, scheduler_id or 0). No locks.
CREATE FUNCTION dead_holders() RETURNS TABLE (machine_id bigint, worker_id bigint, scheduler_id bigint)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    WITH u AS MATERIALIZED (SELECT server_up_since() AS since)
    SELECT m.machine_id, w.worker_id, 0::bigint
    FROM u, worker w JOIN machine m ON m.worker_id = w.worker_id AND m.up
    WHERE w.expires_at <= cell_now()
      AND cell_now() >= u.since + make_interval(secs => w.lease_seconds)
    UNION ALL
    SELECT 0, w.worker_id, 0
    FROM u, worker w
    WHERE w.expires_at <= cell_now() AND w.token <> 0
      AND NOT EXISTS (SELECT FROM machine m WHERE m.worker_id = w.worker_id AND m.up)
      AND cell_now() >= u.since + make_interval(secs => w.lease_seconds)
    UNION ALL
    SELECT 0, 0, s.scheduler_id
    FROM u, scheduler s
    WHERE s.expires_at <= cell_now()
      -- A claim_jobs on its way while its scheduler was reaped or left claims for a token that is void by then.
      AND (s.token <> 0 OR EXISTS (SELECT FROM job_state j WHERE j.claimed_by = s.scheduler_id AND j.claimed_by <> 0))
      AND cell_now() >= u.since + make_interval(secs => s.lease_seconds)
    ORDER BY 1, 2, 3
$$;
