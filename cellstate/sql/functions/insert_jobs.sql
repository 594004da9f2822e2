-- Inserts new jobs under the given ids, with their state, what they wait for, and their place in the queue.
-- Parameters: specifications (each with submission_id, inputs_digest, held and lease_seconds beside its own fields),
-- payloads and ids in one order. Returns the ids, null where a rival had the
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
            on_lost, max_lost, open, specification, payload, inputs_digest, submitted_at)
        SELECT
            p_ids[x.ord], r.submission_id, r.namespace, r.name, r.key, r.labels, r.scheduler, r.priority,
            r.preemptible, r.cpu_milli, r.memory_bytes, r.disk_bytes, coalesce(r.gpu_milli, 0), r.custom, r.detection,
            r.commit, r.gang_min, r.service, r.retries, r.backoff_seconds, r.backoff_max_seconds, r.on_lost, r.max_lost,
            coalesce(r.open, false), x.item - submission_fields(), p_payloads[x.ord], r.inputs_digest, v_now
        FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS x(item, ord)
        CROSS JOIN LATERAL jsonb_to_record(x.item) AS r(
            submission_id uuid, namespace text, name text, key text, labels jsonb, scheduler text, priority int,
            preemptible boolean, cpu_milli bigint, memory_bytes bigint, disk_bytes bigint, gpu_milli bigint,
            custom jsonb, detection text, commit text,
            gang_min bigint, service boolean, retries int, backoff_seconds double precision,
            backoff_max_seconds double precision, on_lost text, max_lost int, open boolean, inputs_digest text)
        ORDER BY r.namespace, r.key, x.ord -- two calls with the same keys in another order wait in one order
        ON CONFLICT DO NOTHING
        RETURNING job_id
    )
    SELECT array_agg(s.job_id) INTO v_stored FROM stored s;
    IF v_stored IS NULL THEN
        RETURN array_fill(null::bigint, ARRAY[cardinality(p_ids)]);
    END IF;

    INSERT INTO job_state (job_id, task_count, open, held, max_running, max_failures)
    SELECT r.job_id, r.task_count, coalesce(r.open, false) OR r.service, coalesce(r.held, false),
           coalesce(r.max_running, 0), coalesce(r.max_failures, 0)
    FROM (
        SELECT p_ids[x.ord] AS job_id, y.*
        FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS x(item, ord)
        CROSS JOIN LATERAL jsonb_to_record(x.item) AS y(
            task_count bigint, open boolean, service boolean, held boolean, max_running int, max_failures int)
    ) r
    WHERE r.job_id = ANY (v_stored) ORDER BY r.job_id;

    IF p_jobs @? '$[*] ? (exists(@.after) || exists(@.after_any))' THEN
        PERFORM block_jobs(v_stored);
    END IF;
    IF p_jobs @? '$[*] ? (@.deadline_seconds > 0 || @.lease_seconds > 0)' THEN
        INSERT INTO job_expiry (job_id, why, at, seconds)
        SELECT p_ids[x.ord], w.why, v_now + make_interval(secs => w.seconds), w.seconds
        FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS x(item, ord)
        CROSS JOIN LATERAL (VALUES ('deadline', (x.item->>'deadline_seconds')::double precision),
                                   ('lease', (x.item->>'lease_seconds')::double precision)) AS w(why, seconds)
        WHERE w.seconds > 0 AND p_ids[x.ord] = ANY (v_stored);
    END IF;

    PERFORM requeue_jobs(v_stored, array_fill(v_now, ARRAY[cardinality(v_stored)]));
    PERFORM log_jobs('submitted', v_stored, '');

    RETURN (SELECT array_agg(CASE WHEN j.job_id IS NOT NULL THEN u.id END ORDER BY u.ord)
            FROM unnest(p_ids) WITH ORDINALITY AS u(id, ord)
            LEFT JOIN job j ON j.job_id = u.id AND j.job_id = ANY (v_stored));
END
$$;
