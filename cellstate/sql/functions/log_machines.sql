-- Appends one row to the feed with the values that the given machines have now.
-- Parameters: what happened (register, report, lost, drain ...), the machines, whose rows the caller has locked.
CREATE FUNCTION log_machines(p_kind text, p_machines bigint[]) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT
AS $$
    INSERT INTO cell_log (at, kind, machine_id, machine_version, machine_used)
    SELECT cell_now(), p_kind, array_agg(m.machine_id ORDER BY m.machine_id),
           array_agg(m.version ORDER BY m.machine_id),
           coalesce((SELECT array_agg(u.x ORDER BY n.machine_id, u.ord)
                     FROM machine n, unnest(ARRAY[n.used_cpu_milli, n.used_memory_bytes, n.used_disk_bytes])
                          WITH ORDINALITY AS u(x, ord)
                     WHERE n.machine_id = ANY (p_machines)), '{}')
    FROM machine m WHERE m.machine_id = ANY (p_machines) HAVING count(*) > 0
$$;
