-- Notes how many schedulers of a kind there should be, for who keeps them. Parameters: kind, number. Locks: the kind's row.
CREATE FUNCTION set_fleet(p_kind text, p_wanted int) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    INSERT INTO fleet (kind, wanted) VALUES (p_kind, p_wanted)
    ON CONFLICT (kind) DO UPDATE SET wanted = excluded.wanted
$$;
