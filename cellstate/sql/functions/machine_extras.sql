-- What only some machines have: devices, named resources, reservations; null where none of these has any.
-- Parameters: machine ids. Returns a JSON object of columns (cellstate/postgres/scheduling.py reads it). Locks: none.
-- Tables without rows are not even looked into, so that a cell without such things pays nothing.
CREATE FUNCTION machine_extras(p_machines bigint[]) RETURNS text
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    v_device json;
    v_custom json;
    v_reserved json;
BEGIN
    IF EXISTS (SELECT FROM device) THEN
        SELECT json_build_array(json_agg(d.machine_id), json_agg(d.device_index), json_agg(d.used_milli)) INTO v_device
        FROM (SELECT * FROM device x WHERE x.machine_id = ANY (p_machines) ORDER BY x.machine_id, x.device_index) d
        HAVING count(*) > 0;
    END IF;
    IF EXISTS (SELECT FROM machine_custom) THEN
        SELECT json_build_array(json_agg(c.machine_id), json_agg(c.name), json_agg(c.capacity_milli), json_agg(c.used_milli))
        INTO v_custom
        FROM (SELECT * FROM machine_custom x WHERE x.machine_id = ANY (p_machines)
              ORDER BY x.machine_id, x.name COLLATE "C") c
        HAVING count(*) > 0;
    END IF;
    IF EXISTS (SELECT FROM reservation) THEN
        SELECT json_build_array(json_agg(r.machine_id), json_agg(r.job_id), json_agg(r.priority),
                                json_agg(extract(epoch FROM r.until)::double precision))
        INTO v_reserved
        FROM (SELECT * FROM reservation x WHERE x.machine_id = ANY (p_machines) AND x.until > cell_now()
              ORDER BY x.machine_id) r
        HAVING count(*) > 0;
    END IF;
    RETURN CASE WHEN v_device IS NOT NULL OR v_custom IS NOT NULL OR v_reserved IS NOT NULL THEN
        json_build_object('device', v_device, 'custom', v_custom, 'reserved', v_reserved)::text END;
END
$$;
