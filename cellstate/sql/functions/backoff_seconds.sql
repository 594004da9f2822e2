-- How long a failed task waits before it runs again; the twin of cellstate/backoff.py, to the digit.
-- Parameters: the job's back-off, failures including this one, the task. Locks: none.
CREATE FUNCTION backoff_seconds(
    p_backoff double precision, p_maximum double precision, p_failures bigint, p_job_id bigint, p_task bigint
) RETURNS double precision
LANGUAGE sql IMMUTABLE
AS $$
    SELECT least(p_maximum, p_backoff * 2.0::double precision ^ least(p_failures - 1, 30))
        * (0.5 + 0.5 * (((p_job_id * 7919 + p_task * 104729 + p_failures * 1299709) % 1000)::double precision / 1000.0))
$$;
