-- The present, or the time a test's or simulator's clock has set in this session.
-- Parameters: none. Locks: none. The setting omega.now is an ISO timestamp; production never sets it.
CREATE FUNCTION cell_now() RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(nullif(current_setting('omega.now', true), '')::timestamptz, statement_timestamp())
$$;
