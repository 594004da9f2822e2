-- A worker's batch of ends. Parameters: worker, token, then as end_placements. Returns the ordinals accepted.
-- Raises OM001 for an old token. Locks: the machines by id, then placements; never a job.
CREATE FUNCTION report_ended(
    p_worker bigint, p_token bigint, p_job bigint[], p_first bigint[], p_task bigint[], p_attempt bigint[],
    p_machine bigint[], p_epoch bigint[], p_state text[], p_exit_code bigint[], p_started double precision[],
    p_ended double precision[], p_result bytea[], p_error text[], p_stdout text[], p_stderr text[], p_kept_job bigint[],
    p_kept_first bigint[], p_kept_task bigint[], p_kept_attempt bigint[], p_kept_machine bigint[], p_kept_epoch bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_ended record;
BEGIN
    PERFORM check_worker(p_worker, p_token);
    PERFORM 1 FROM machine m WHERE m.machine_id = ANY (p_machine || p_kept_machine) ORDER BY m.machine_id FOR UPDATE;
    SELECT * INTO v_ended FROM end_placements(
        p_job, p_first, p_task, p_attempt, p_machine, p_epoch, p_state, p_exit_code, p_started, p_ended, p_result,
        p_error, p_stdout, p_stderr, p_kept_job, p_kept_first, p_kept_task, p_kept_attempt, p_kept_machine, p_kept_epoch,
        true);
    PERFORM log_machines('report', v_ended.machines) WHERE v_ended.machines <> '{}';
    RETURN v_ended.applied;
END
$$;
