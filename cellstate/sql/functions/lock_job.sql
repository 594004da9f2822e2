-- A job's state, locked. Parameters: job. Raises OM002 if there is none. Locks: the job.
CREATE FUNCTION lock_job(p_job bigint) RETURNS job_state
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_state job_state;
BEGIN
    SELECT * INTO v_state FROM job_state s WHERE s.job_id = p_job FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'OM002',
            MESSAGE = format('job j%s does not exist in this cell; omega jobs lists those that do', p_job);
    END IF;
    RETURN v_state;
END
$$;
