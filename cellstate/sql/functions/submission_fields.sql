-- What travels with a specification to be stored and is no part of it. Locks: none.
CREATE FUNCTION submission_fields() RETURNS text[]
LANGUAGE sql IMMUTABLE
AS $$
    SELECT ARRAY['submission_id', 'inputs_digest', 'held', 'lease_seconds', 'after_batch', 'after_any_batch']
$$;
