-- Gives claimed jobs back, each to the queue from a time on, or to nobody where it has no work or was given up.
-- Parameters: scheduler, its token, one array entry a job. Returns whether jobs that come after one that was given up are
-- due (release_jobs). Locks: the jobs by id. Jobs the scheduler does not hold are passed over.
CREATE FUNCTION settle_jobs(
    p_scheduler bigint, p_token bigint, p_job bigint[], p_not_before double precision[], p_gave_up boolean[],
    p_placed_any boolean[], p_conflicted boolean[], p_explanation text[]
) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_held bigint[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT array_agg(l.job_id) INTO v_held FROM (
        SELECT s.job_id FROM job_state s
        WHERE s.job_id = ANY (p_job) AND s.claimed_by = p_scheduler ORDER BY s.job_id FOR UPDATE
    ) l;
    PERFORM check_scheduler(p_scheduler, p_token); -- under the locks: a newer incarnation waits for them or has them
    IF v_held IS NULL THEN
        RETURN false;
    END IF;

    UPDATE job_state s
    SET claimed_by = 0, attempts = s.attempts + 1, fruitless = CASE WHEN u.placed_any THEN 0 ELSE s.fruitless + 1 END,
        conflicts = CASE WHEN u.conflicted THEN s.conflicts + 1 ELSE 0 END
    FROM unnest(p_job, p_placed_any, p_conflicted) AS u(job_id, placed_any, conflicted)
    WHERE s.job_id = u.job_id AND s.job_id = ANY (v_held);

    INSERT INTO job_explanation (job_id, explanation, changed_at)
    SELECT u.job_id, u.explanation::jsonb, cell_now()
    FROM unnest(p_job, p_explanation) AS u(job_id, explanation) WHERE u.job_id = ANY (v_held) ORDER BY u.job_id
    ON CONFLICT (job_id) DO UPDATE SET explanation = excluded.explanation, changed_at = excluded.changed_at
    WHERE job_explanation.explanation <> excluded.explanation;

    PERFORM requeue_jobs(array_agg(u.job_id), array_agg(to_timestamp(u.not_before)))
    FROM unnest(p_job, p_not_before, p_gave_up) AS u(job_id, not_before, gave_up)
    WHERE NOT u.gave_up AND u.job_id = ANY (v_held) HAVING count(*) > 0;

    RETURN coalesce((
        SELECT bool_or(g.due) FROM (
            SELECT stop_job(u.job_id, 'gave up: nothing more will be placed', false, false) AS due
            FROM unnest(p_job, p_gave_up) AS u(job_id, gave_up)
            WHERE u.gave_up AND u.job_id = ANY (v_held) ORDER BY u.job_id OFFSET 0
        ) g), false);
END
$$;
