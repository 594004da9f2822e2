-- A job to be stored with the ids of the jobs of its call that it comes after among those it names itself.
-- Parameters: the JSON object of submit_jobs; the ids of all jobs of the call, in order. Locks: none.
CREATE FUNCTION related_job(p_job jsonb, p_ids bigint[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    WITH named AS (
        SELECT x.id::bigint AS id, false AS any_end FROM jsonb_array_elements_text(p_job->'after') AS x(id)
        UNION SELECT p_ids[x.at::int], false FROM jsonb_array_elements_text(p_job->'after_batch') AS x(at)
        UNION SELECT x.id::bigint, true FROM jsonb_array_elements_text(p_job->'after_any') AS x(id)
        UNION SELECT p_ids[x.at::int], true FROM jsonb_array_elements_text(p_job->'after_any_batch') AS x(at)
    )
    SELECT (p_job - 'after_batch' - 'after_any_batch' - 'after' - 'after_any')
        || coalesce((SELECT jsonb_build_object('after', jsonb_agg(n.id ORDER BY n.id))
                     FROM named n WHERE NOT n.any_end HAVING count(*) > 0), '{}')
        || coalesce((SELECT jsonb_build_object('after_any', jsonb_agg(n.id ORDER BY n.id))
                     FROM named n WHERE n.any_end HAVING count(*) > 0), '{}')
$$;
