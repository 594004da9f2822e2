-- Inserts new jobs under the given ids, with their state and their place in the queue.
-- Parameters: specifications, payloads and ids in one order. Returns the ids, null where a rival had the
-- submission id or the key first (it was waited for). Locks: none beyond the new rows.
CREATE FUNCTION insert_jobs(p_jobs jsonb, p_payloads bytea[], p_ids bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_stored bigint[];
    v_now timestamptz := cell_now();
BEGIN
    WITH stored AS (
        INSERT INTO job (
            job_id, submission_id, namespace, name, key, labels, scheduler, priority, preemptible, cpu_milli, memory_bytes,
            disk_bytes, gpu_milli, custom, detection, commit, gang_min, service, retries, backoff_seconds, backoff_max_seconds,
            on_lost, max_lost, specification, payload, inputs_digest, submitted_at)
        SELECT
            p_ids[x.ord], r.submission_id, r.namespace, r.name, r.key, r.labels, r.scheduler, r.priority,
            r.preemptible, r.cpu_milli, r.memory_bytes, r.disk_bytes, coalesce(r.gpu_milli, 0), r.custom, r.detection, r.commit, r.gang_min, r.service, r.retries,
            r.backoff_seconds, r.backoff_max_seconds, r.on_lost, r.max_lost,
            x.item - 'submission_id' - 'inputs_digest', p_payloads[x.ord], r.inputs_digest, v_now
        FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS x(item, ord)
        CROSS JOIN LATERAL jsonb_to_record(x.item) AS r(
            submission_id uuid, namespace text, name text, key text, labels jsonb, scheduler text, priority int,
            preemptible boolean, cpu_milli bigint, memory_bytes bigint, disk_bytes bigint, gpu_milli bigint,
            custom jsonb, detection text, commit text,
            gang_min bigint, service boolean, retries int, backoff_seconds double precision,
            backoff_max_seconds double precision, on_lost text, max_lost int, inputs_digest text)
        ORDER BY r.namespace, r.key, x.ord -- two calls with the same keys in another order wait in one order
        ON CONFLICT DO NOTHING
        RETURNING job_id
    )
    SELECT array_agg(s.job_id) INTO v_stored FROM stored s;

    INSERT INTO job_state (job_id, task_count)
    SELECT j.job_id, (j.specification->>'task_count')::bigint
    FROM job j WHERE j.job_id = ANY (v_stored) ORDER BY j.job_id;

    INSERT INTO job_queue (job_id, scheduler, priority, not_before)
    SELECT j.job_id, j.scheduler, j.priority, v_now
    FROM job j WHERE j.job_id = ANY (v_stored) ORDER BY j.job_id;

    RETURN (SELECT array_agg(CASE WHEN j.job_id IS NOT NULL THEN u.id END ORDER BY u.ord)
            FROM unnest(p_ids) WITH ORDINALITY AS u(id, ord)
            LEFT JOIN job j ON j.job_id = u.id AND j.job_id = ANY (v_stored));
END
$$;
