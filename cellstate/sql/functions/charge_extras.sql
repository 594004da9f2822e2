-- Charges devices and named resources for accepted slots. Parameters: distinct jobs and machines; per slot the
-- ordinals of job and machine, and its devices (empty: none). The caller holds the locks on the machines, to which
-- the rows of device and machine_custom belong. Index: device_pkey, machine_custom_pkey.
--
-- Sums are made into arrays first: joined in one statement, the planner expects ten thousands of rows and reads all
-- devices of the cell for one claim.
CREATE FUNCTION charge_extras(
    p_jobs bigint[], p_machines bigint[], p_job bigint[], p_machine bigint[], p_devices bigint[]
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    j_milli bigint[];
    j_custom jsonb[];
    v_custom boolean;
    v_machine bigint[];
    v_index int[];
    v_name text[];
    v_milli bigint[];
BEGIN
    SELECT array_agg(least(j.gpu_milli, 1000) ORDER BY u.ord), array_agg(j.custom ORDER BY u.ord),
           bool_or(j.custom IS NOT NULL)
    INTO j_milli, j_custom, v_custom
    FROM unnest(p_jobs) WITH ORDINALITY AS u(id, ord) LEFT JOIN job j ON j.job_id = u.id;

    IF p_devices <> '{}' THEN
        SELECT array_agg(x.machine_id), array_agg(x.device_index), array_agg(x.milli) INTO v_machine, v_index, v_milli
        FROM (
            SELECT d.machine_id, d.device_index, sum(j_milli[s.job]) AS milli
            FROM unnest(p_job, p_machine, p_devices) AS s(job, machine, mask)
            JOIN device d ON d.machine_id = p_machines[s.machine] AND s.mask & (1::bigint << d.device_index) <> 0
            GROUP BY 1, 2
        ) x;
        UPDATE device d SET used_milli = d.used_milli + x.milli
        FROM unnest(v_machine, v_index, v_milli) AS x(machine_id, device_index, milli)
        WHERE d.machine_id = x.machine_id AND d.device_index = x.device_index;
    END IF;
    IF v_custom THEN
        SELECT array_agg(x.machine_id), array_agg(x.name), array_agg(x.milli) INTO v_machine, v_name, v_milli
        FROM (
            SELECT p_machines[s.machine] AS machine_id, e.key AS name, sum(s.slots * e.value::bigint) AS milli
            FROM (SELECT t.job, t.machine, count(*) AS slots FROM unnest(p_job, p_machine) AS t(job, machine)
                  GROUP BY t.job, t.machine) s
            CROSS JOIN LATERAL jsonb_each_text(j_custom[s.job]) e
            GROUP BY 1, 2
        ) x;
        UPDATE machine_custom m SET used_milli = m.used_milli + x.milli
        FROM unnest(v_machine, v_name, v_milli) AS x(machine_id, name, milli)
        WHERE m.machine_id = x.machine_id AND m.name = x.name;
    END IF;
END
$$;
