-- Changes what may be changed of a job that has not ended; null: as it is. Parameters: job, replicas (of a service),
-- priority, labels. Raises OM002, OM004. Locks: the job; where replicas end, their machines by id, then the placements.
CREATE FUNCTION alter_job(p_job bigint, p_replicas bigint, p_priority int, p_labels jsonb) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_state job_state := lock_job(p_job);
    v_job job;
    v_now timestamptz := cell_now();
    v_more bigint;
    v_detail text[] := '{}';
BEGIN
    SELECT * INTO v_job FROM job j WHERE j.job_id = p_job;
    IF v_state.cancel_requested OR v_state.state IN ('succeeded', 'failed', 'cancelled') THEN
        RAISE EXCEPTION USING ERRCODE = 'OM004',
            MESSAGE = format('job j%s has ended or is being cancelled, so that nothing of it can be changed; submit another', p_job);
    END IF;
    IF p_replicas < 0 OR (p_replicas IS NOT NULL AND NOT v_job.service) THEN
        RAISE EXCEPTION USING ERRCODE = 'OM004', MESSAGE = CASE WHEN v_job.service
            THEN format('replicas=%s of job j%s cannot be; expected 0 or more', p_replicas, p_job)
            ELSE format('job j%s is no service, and only services have replicas; submit another job', p_job) END;
    END IF;
    IF p_priority NOT BETWEEN 0 AND 1000 THEN
        RAISE EXCEPTION USING ERRCODE = 'OM004',
            MESSAGE = format('priority=%s of job j%s cannot be; expected 0 to 1000', p_priority, p_job);
    END IF;
    IF p_priority <> v_job.priority THEN
        UPDATE job j SET priority = p_priority, specification = jsonb_set(j.specification, '{priority}', to_jsonb(p_priority))
        WHERE j.job_id = p_job;
        UPDATE job_queue q SET priority = p_priority WHERE q.job_id = p_job;
        v_detail := v_detail || format('priority %s', p_priority);
    END IF;
    IF p_labels <> v_job.labels THEN
        UPDATE job j SET labels = p_labels, specification = jsonb_set(j.specification, '{labels}', p_labels)
        WHERE j.job_id = p_job;
        v_detail := v_detail || 'labels'::text;
    END IF;
    v_more := p_replicas - (v_job.specification->>'task_count')::bigint;
    IF v_more <> 0 THEN
        UPDATE job j SET specification = jsonb_set(j.specification, '{task_count}', to_jsonb(p_replicas))
        WHERE j.job_id = p_job;
        v_detail := v_detail || format('scaled to %s', p_replicas);
        IF v_more > 0 THEN
            UPDATE job_state s SET task_count = s.task_count + v_more WHERE s.job_id = p_job;
        ELSE
            PERFORM drop_replicas(v_state, -v_more);
        END IF;
        PERFORM requeue_jobs(ARRAY[p_job], ARRAY[v_now]);
    END IF;
    PERFORM log_jobs('changed', ARRAY[p_job], array_to_string(v_detail, ', ')) WHERE v_detail <> '{}';
END
$$;
