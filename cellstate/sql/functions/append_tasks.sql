-- Adds tasks to an open job: sent twice, applied once. Parameters: job, the index of the first, how many, and their inputs
-- in chunks (first index of each, count). Returns the tasks that the job then has. Raises OM004 for a job that takes
-- none, or another first index than its next. Locks: the job.
CREATE FUNCTION append_tasks(
    p_job bigint, p_first bigint, p_count bigint, p_input_first bigint[], p_input_count int[], p_input_chunk bytea[])
RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_state job_state := lock_job(p_job);
    v_open boolean;
BEGIN
    SELECT j.open INTO v_open FROM job j WHERE j.job_id = p_job;
    IF v_open AND p_first BETWEEN 0 AND v_state.task_count - p_count THEN
        RETURN v_state.task_count; -- sent again, perhaps after it was closed
    END IF;
    IF NOT (v_open AND v_state.open) THEN
        RAISE EXCEPTION USING ERRCODE = 'OM004', MESSAGE = format(
            'job j%s takes no more tasks: it %s; submit another job', p_job,
            CASE WHEN v_open THEN 'was closed or cancelled' ELSE 'was not submitted open' END);
    END IF;
    IF p_first <> v_state.task_count THEN
        RAISE EXCEPTION USING ERRCODE = 'OM004', MESSAGE = format(
            'task j%s.%s cannot be added: the next one is j%s.%s', p_job, p_first, p_job, v_state.task_count);
    END IF;
    INSERT INTO task_input (job_id, first_index, count, chunk)
    SELECT p_job, i.first_index, i.count, i.chunk
    FROM unnest(p_input_first, p_input_count, p_input_chunk) AS i(first_index, count, chunk);
    UPDATE job_state s SET task_count = p_first + p_count WHERE s.job_id = p_job;
    PERFORM requeue_jobs(ARRAY[p_job], ARRAY[cell_now()]);
    RETURN p_first + p_count;
END
$$;
