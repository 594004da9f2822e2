-- Since when the server remembers what it is told: after the crash of one of its processes it starts anew without its
-- postmaster; the checkpointer's start, where one may see it, tells. Locks: none.
CREATE FUNCTION server_up_since() RETURNS timestamptz
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
    SELECT greatest(pg_postmaster_start_time(), max(a.backend_start))
    FROM pg_stat_activity a WHERE a.backend_type = 'checkpointer'
$$;
