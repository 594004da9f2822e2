-- Takes machines down with a new epoch; what they hold ends as lost. Returns the jobs that lost something.
-- Parameters: machines, whose rows the caller has locked by id. Locks: placements.
CREATE FUNCTION lose_machines(p_machines bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_jobs bigint[];
    v_up bigint[];
    v_now double precision := extract(epoch FROM cell_now());
BEGIN
    SELECT array_agg(DISTINCT p.job_id) INTO v_jobs FROM placement p WHERE p.machine_id = ANY (p_machines);
    PERFORM end_placements(
        array_agg(p.job_id), array_agg(p.first_index), array_agg(p.task_index), array_agg(p.attempt::bigint),
        array_agg(p.machine_id), array_agg(p.epoch), array_agg('lost'::text), array_agg(-1::bigint),
        array_agg(0::double precision), array_agg(v_now), array_agg(''::bytea),
        array_agg('machine ' || f.name || ' was lost'), array_agg(''::text), array_agg(''::text), '{}', '{}', '{}', '{}',
        '{}', '{}', false)
    FROM (SELECT q.*, i.task_index
          FROM placement q CROSS JOIN LATERAL generate_series(q.first_index, q.first_index + q.count - 1) AS i(task_index)
          WHERE q.machine_id = ANY (p_machines)
          ORDER BY q.machine_id, q.job_id, q.first_index, i.task_index) p
    CROSS JOIN LATERAL (SELECT n.name FROM machine_fact n WHERE n.machine_id = p.machine_id OFFSET 0) f
    HAVING count(*) > 0;
    SELECT array_agg(m.machine_id) INTO v_up FROM machine m WHERE m.machine_id = ANY (p_machines) AND m.up;
    UPDATE machine m
    SET up = false, epoch = m.epoch + 1, version = m.version + 1, claim_sequence = m.claim_sequence + 1
    WHERE m.machine_id = ANY (p_machines);
    PERFORM log_machines('lost', v_up); -- those that were down are about to come up, which is logged in its turn
    RETURN coalesce(v_jobs, '{}');
END
$$;
