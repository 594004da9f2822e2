-- Charges devices and named resources for accepted claims. Parameters: distinct jobs and machines; per claim the
-- ordinals of job and machine and the slots accepted; the devices of each slot (empty: none).
-- The caller holds the locks on the machines. Locks: none beyond (rows of device and machine_custom are their machine's).
CREATE FUNCTION charge_extras(
    p_jobs bigint[], p_machines bigint[], p_job bigint[], p_machine bigint[], p_accepted bigint[],
    p_slot_devices bigint[]
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    IF p_slot_devices <> '{}' THEN
        UPDATE device d SET used_milli = d.used_milli + x.milli
        FROM (
            SELECT p_machines[s.machine] AS machine_id, b.i, sum(least(j.gpu_milli, 1000)) AS milli
            FROM (
                SELECT c.job, c.machine, row_number() OVER (ORDER BY c.ord, g.i) AS slot
                FROM unnest(p_job, p_machine, p_accepted) WITH ORDINALITY AS c(job, machine, slots, ord)
                CROSS JOIN LATERAL generate_series(1, c.slots) AS g(i)
            ) s
            JOIN job j ON j.job_id = p_jobs[s.job]
            JOIN generate_series(0, 62) AS b(i) ON p_slot_devices[s.slot] & (1::bigint << b.i) <> 0
            GROUP BY 1, 2
        ) x
        WHERE d.machine_id = x.machine_id AND d.device_index = x.i;
    END IF;
    IF EXISTS (SELECT FROM job j WHERE j.job_id = ANY (p_jobs) AND j.custom IS NOT NULL) THEN
        UPDATE machine_custom m SET used_milli = m.used_milli + x.milli
        FROM (
            SELECT p_machines[c.machine] AS machine_id, e.key, sum(c.slots * e.value::bigint) AS milli
            FROM unnest(p_job, p_machine, p_accepted) AS c(job, machine, slots)
            JOIN job j ON j.job_id = p_jobs[c.job]
            CROSS JOIN LATERAL jsonb_each_text(j.custom) e
            WHERE c.slots > 0 GROUP BY 1, 2
        ) x
        WHERE m.machine_id = x.machine_id AND m.name = x.key;
    END IF;
END
$$;
