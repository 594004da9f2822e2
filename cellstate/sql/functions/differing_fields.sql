-- Names of the specification's fields in which a stored job and a new submission differ, sorted.
-- Where it was submitted from is no part of it. Parameters: the job's row, the new JSON. Locks: none.
CREATE FUNCTION differing_fields(p_job job, p_new jsonb) RETURNS text[]
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT coalesce(array_agg(f.name ORDER BY f.name), '{}')
    FROM (
        SELECT coalesce(a.key, b.key) AS name
        FROM jsonb_each(p_job.specification) a
        FULL JOIN jsonb_each(p_new - submission_fields()) b ON b.key = a.key
        WHERE a.value IS DISTINCT FROM b.value AND coalesce(a.key, b.key) <> 'surroundings'
        UNION ALL
        SELECT 'inputs' WHERE p_job.inputs_digest <> p_new->>'inputs_digest'
    ) f
$$;
