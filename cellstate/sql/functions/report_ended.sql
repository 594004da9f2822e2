-- A worker's batch of ends. Parameters: worker, token, then as end_placements. Returns the ordinals applied.
-- Raises OM001 for an old token. Locks: the machines by id, then placements; never a job.
CREATE FUNCTION report_ended(
    p_worker bigint, p_token bigint, p_job bigint[], p_first bigint[], p_attempt bigint[], p_machine bigint[],
    p_epoch bigint[], p_state text[], p_exit_code bigint[], p_started double precision[], p_ended double precision[],
    p_result bytea[], p_error text[], p_stdout text[], p_stderr text[]
) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_applied bigint[];
    v_machines bigint[];
BEGIN
    PERFORM check_worker(p_worker, p_token);
    PERFORM 1 FROM machine m WHERE m.machine_id = ANY (p_machine) ORDER BY m.machine_id FOR UPDATE;
    v_applied := end_placements(
        p_job, p_first, p_attempt, p_machine, p_epoch, p_state, p_exit_code, p_started, p_ended, p_result, p_error,
        p_stdout, p_stderr, true);
    SELECT array_agg(DISTINCT p_machine[o]) INTO v_machines FROM unnest(v_applied) AS a(o);
    PERFORM log_machines('report', v_machines) WHERE v_machines IS NOT NULL;
    RETURN v_applied;
END
$$;
