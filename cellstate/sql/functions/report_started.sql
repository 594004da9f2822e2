-- Notes that placements run. Parameters: worker, token, parallel arrays; ports by name as JSON texts (name to number).
-- Those not held are passed over.
-- Locks: the machines by id, so that nobody meets it on a placement. No promise hangs on it, so the commit does not wait for the disk.
CREATE FUNCTION report_started(
    p_worker bigint, p_token bigint, p_job bigint[], p_first bigint[], p_attempt bigint[], p_machine bigint[],
    p_epoch bigint[], p_ports text[]
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM check_worker(p_worker, p_token);
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM 1 FROM machine m WHERE m.machine_id = ANY (p_machine) ORDER BY m.machine_id FOR UPDATE;
    UPDATE placement p SET running = true, ports = nullif(t.ports, '{}')::jsonb
    FROM unnest(p_job, p_first, p_attempt, p_machine, p_epoch, p_ports)
         AS t(job_id, first_index, attempt, machine_id, epoch, ports)
    WHERE p.job_id = t.job_id AND p.first_index = t.first_index AND p.attempt = t.attempt
      AND p.machine_id = t.machine_id AND p.epoch = t.epoch;
END
$$;
