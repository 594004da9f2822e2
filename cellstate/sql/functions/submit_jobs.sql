-- Stores jobs, all or none, and queues each; runs inside the caller's transaction where there is one.
-- Parameters: one JSON object a job (specification.py's form plus what else insert_jobs takes, plus after_batch and
-- after_any_batch: positions, from 1, of the earlier jobs of this call that it comes after; no id and no
-- key twice in one call), payloads in the same order, input chunks as parallel arrays (ordinal of their job from 1).
-- Returns (job_id, created) in the order given. Raises OM003 (with the differing fields as DETAIL) for a key
-- that stands for another specification, OM002 for a job to come after that does not exist. Locks: the unique indexes of
-- job; a rival submission with the same id or key waits for this one and then finds it.
CREATE FUNCTION submit_jobs(
    p_jobs jsonb, p_payloads bytea[], p_input_job int[], p_input_first bigint[], p_input_count int[],
    p_input_chunk bytea[]
) RETURNS TABLE (job_id bigint, created boolean)
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off
AS $$
DECLARE
    v_count int := jsonb_array_length(p_jobs);
    v_jobs jsonb := p_jobs;
    v_related boolean := p_jobs @? '$[*] ? (exists(@.after_batch) || exists(@.after_any_batch))';
    v_ids bigint[] := array_fill(null::bigint, ARRAY[v_count]);
    v_created boolean[] := array_fill(false, ARRAY[v_count]);
    v_missing int[];
    v_new bigint[];
    v_inserted bigint[];
    v_conflict record;
BEGIN
    LOOP
        SELECT array_agg(coalesce(v_ids[x.ord], s.job_id, k.job_id) ORDER BY x.ord),
               array_agg(x.ord ORDER BY x.ord) FILTER (WHERE coalesce(v_ids[x.ord], s.job_id, k.job_id) IS NULL)
        INTO v_ids, v_missing
        FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS x(item, ord)
        -- One look at an index for each: a plan made while there were few jobs must not compare all with all later.
        LEFT JOIN LATERAL (
            SELECT j.job_id FROM job j WHERE j.submission_id = (x.item->>'submission_id')::uuid LIMIT 1
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT j.job_id FROM job j
            WHERE j.key <> '' AND j.namespace = x.item->>'namespace' AND j.key = x.item->>'key' LIMIT 1
        ) k ON true;
        IF v_missing IS NOT NULL THEN
            SELECT array_agg(nextval(pg_get_serial_sequence('job', 'job_id'))) INTO v_new
            FROM generate_subscripts(v_missing, 1);
        END IF;
        IF v_related THEN
            -- The ids of all are known now, and rise with the order given.
            SELECT jsonb_agg(related_job(x.item, w.ids) ORDER BY x.ord) INTO v_jobs
            FROM jsonb_array_elements(p_jobs) WITH ORDINALITY AS x(item, ord)
            CROSS JOIN (
                SELECT array_agg(coalesce(u.id, v_new[array_position(v_missing, u.ord::int)]) ORDER BY u.ord) AS ids
                FROM unnest(v_ids) WITH ORDINALITY AS u(id, ord)
            ) w;
        END IF;
        EXIT WHEN v_missing IS NULL;

        SELECT insert_jobs(
            jsonb_agg(v_jobs->(m.ord - 1) ORDER BY m.at), array_agg(p_payloads[m.ord] ORDER BY m.at), v_new)
        INTO v_inserted FROM unnest(v_missing) WITH ORDINALITY AS m(ord, at);
        IF v_related AND array_position(v_inserted, NULL) IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = '40001',
                MESSAGE = 'one of these jobs was submitted under its key at the same time; submit them again';
        END IF;
        FOR i IN 1..cardinality(v_missing) LOOP
            v_ids[v_missing[i]] := v_inserted[i]; -- null where a rival was first: looked up in the next turn
            v_created[v_missing[i]] := v_inserted[i] IS NOT NULL;
        END LOOP;
    END LOOP;

    SELECT o.job_id, x.item->>'key' AS key, x.item->>'namespace' AS namespace, differing_fields(o, x.item) AS fields
    INTO v_conflict
    FROM jsonb_array_elements(v_jobs) WITH ORDINALITY AS x(item, ord)
    JOIN job o ON o.job_id = v_ids[x.ord]
    WHERE NOT v_created[x.ord] AND o.submission_id <> (x.item->>'submission_id')::uuid
      AND differing_fields(o, x.item) <> '{}'
    ORDER BY x.ord LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'OM003', DETAIL = array_to_string(v_conflict.fields, ','),
            MESSAGE = format(
                'key %s of namespace %s: job j%s has it with another specification (%s differ); '
                'use another key or the same specification', v_conflict.key, v_conflict.namespace,
                v_conflict.job_id, array_to_string(v_conflict.fields, ', '));
    END IF;

    INSERT INTO task_input (job_id, first_index, count, chunk)
    SELECT v_ids[i.ord], i.first_index, i.count, i.chunk
    FROM unnest(p_input_job, p_input_first, p_input_count, p_input_chunk) AS i(ord, first_index, count, chunk)
    WHERE v_created[i.ord];

    RETURN QUERY SELECT u.id, v_created[u.ord] FROM unnest(v_ids) WITH ORDINALITY AS u(id, ord) ORDER BY u.ord;
END
$$;
