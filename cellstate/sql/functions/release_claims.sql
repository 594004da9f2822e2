-- Gives every job a scheduler has claimed back to the queue. Returns how many. Locks: those jobs by id.
CREATE FUNCTION release_claims(p_scheduler bigint) RETURNS int
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_jobs bigint[];
BEGIN
    SELECT array_agg(l.job_id) INTO v_jobs FROM (
        SELECT s.job_id FROM job_state s
        WHERE s.claimed_by = p_scheduler AND s.claimed_by <> 0 ORDER BY s.job_id FOR UPDATE
    ) l;
    IF v_jobs IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE job_state s SET claimed_by = 0 WHERE s.job_id = ANY (v_jobs);
    PERFORM requeue_jobs(v_jobs, array_fill(cell_now(), ARRAY[cardinality(v_jobs)]));
    RETURN cardinality(v_jobs);
END
$$;
