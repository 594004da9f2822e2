-- Brings machines up under a worker, thousands in a call. Rows: (machine_id, epoch) in the order given.
-- Parameters: worker, token, parallel arrays; devices as their number, named resources (name to milli) and attributes as JSON texts. A known machine keeps its id and its cordon,
-- and what it still held is lost. Raises OM001 for an old token, OM005 for a machine held by another live worker.
-- Locks: known machines by id, then placements.
CREATE FUNCTION register_machines(
    p_worker bigint, p_token bigint, p_name text[], p_cpu bigint[], p_memory bigint[], p_disk bigint[],
    p_devices bigint[], p_custom text[], p_attributes text[]
) RETURNS TABLE (machine_id bigint, epoch bigint, jobs bigint[])
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan = off
AS $$
DECLARE
    v_known bigint[];
    v_jobs bigint[] := '{}';
    v_other record;
    v_all bigint[];
BEGIN
    PERFORM check_worker(p_worker, p_token);
    -- One registration at a time: names are looked up, then made, and machine ids are never burnt.
    PERFORM pg_advisory_xact_lock(20131, 1);
    SELECT array_agg(f.machine_id) INTO v_known FROM machine_fact f WHERE f.name = ANY (p_name);
    PERFORM 1 FROM machine m WHERE m.machine_id = ANY (v_known) ORDER BY m.machine_id FOR UPDATE;
    SELECT f.name AS machine, w.name AS worker INTO v_other
    FROM machine m JOIN machine_fact f USING (machine_id) JOIN worker w ON w.worker_id = m.worker_id
    WHERE m.machine_id = ANY (v_known) AND m.worker_id <> p_worker AND m.up AND w.expires_at > cell_now()
    ORDER BY m.machine_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'OM005', MESSAGE = format(
            'machine %s: worker %s holds it and is alive; stop that worker or choose another machine name',
            v_other.machine, v_other.worker);
    END IF;

    IF v_known IS NOT NULL THEN
        -- lose_machines raises epoch, version and claim_sequence once for the machines that come back.
        v_jobs := lose_machines(v_known);
        UPDATE machine m
        SET cpu_milli = r.cpu, memory_bytes = r.memory, disk_bytes = r.disk, worker_id = p_worker, up = true,
            extended = r.devices > 0 OR r.custom <> '{}'
        FROM unnest(p_name, p_cpu, p_memory, p_disk, p_devices, p_custom) AS r(name, cpu, memory, disk, devices, custom)
        JOIN machine_fact f ON f.name = r.name
        WHERE m.machine_id = f.machine_id;
        UPDATE machine_fact f SET attributes = r.attributes::jsonb
        FROM unnest(p_name, p_attributes) AS r(name, attributes) WHERE f.name = r.name;
    END IF;

    WITH fresh AS (
        SELECT r.*, nextval(pg_get_serial_sequence('machine', 'machine_id')) AS id
        FROM (SELECT * FROM unnest(p_name, p_cpu, p_memory, p_disk, p_devices, p_custom, p_attributes)
                  WITH ORDINALITY AS r(name, cpu, memory, disk, devices, custom, attributes, ord)
              WHERE NOT EXISTS (SELECT FROM machine_fact f WHERE f.name = r.name) ORDER BY r.ord) r
    ), made AS (
        INSERT INTO machine (machine_id, cpu_milli, memory_bytes, disk_bytes, version, claim_sequence, epoch, worker_id,
                             extended)
        SELECT n.id, n.cpu, n.memory, n.disk, 1, 1, 1, p_worker, n.devices > 0 OR n.custom <> '{}' FROM fresh n
    )
    INSERT INTO machine_fact (machine_id, name, attributes) SELECT n.id, n.name, n.attributes::jsonb FROM fresh n;

    -- Nothing is placed on them yet, or any more.
    DELETE FROM device d WHERE d.machine_id = ANY (v_known);
    DELETE FROM machine_custom c WHERE c.machine_id = ANY (v_known);
    INSERT INTO device (machine_id, device_index)
    SELECT f.machine_id, i.n
    FROM unnest(p_name, p_devices) AS r(name, devices) JOIN machine_fact f ON f.name = r.name
    CROSS JOIN LATERAL generate_series(0, r.devices - 1) AS i(n) WHERE r.devices > 0;
    INSERT INTO machine_custom (machine_id, name, capacity_milli)
    SELECT f.machine_id, e.key, e.value::bigint
    FROM unnest(p_name, p_custom) AS r(name, custom) JOIN machine_fact f ON f.name = r.name
    CROSS JOIN LATERAL jsonb_each_text(r.custom::jsonb) e WHERE r.custom <> '{}';

    SELECT array_agg(f.machine_id) INTO v_all FROM machine_fact f WHERE f.name = ANY (p_name);
    PERFORM log_machines('register', v_all);
    RETURN QUERY
    SELECT m.machine_id, m.epoch, v_jobs
    FROM unnest(p_name) WITH ORDINALITY AS r(name, ord)
    JOIN machine_fact f ON f.name = r.name JOIN machine m ON m.machine_id = f.machine_id ORDER BY r.ord;
END
$$;
