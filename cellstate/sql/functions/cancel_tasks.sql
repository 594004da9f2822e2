-- Cancels tasks of a job that are neither placed nor ended, one by one or by ranges. Parameters: job, ranges. Rows: the
-- ranges that were cancelled, ascending, neighbours joined. Raises OM004 for a service. Locks: the job.
--
-- Tasks are numbered in order, so that what is not numbered cannot have gaps: everything up to the last one named is
-- numbered now, and waits as a retry range that has never been tried; of such ranges any part can be taken out.
-- The wanted ranges that one of them meets are found by halving: all wanted ones taken from each would cost their product.
CREATE FUNCTION cancel_tasks(p_job bigint, p_first bigint[], p_count bigint[])
RETURNS TABLE (first_index bigint, count bigint, due boolean)
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_state job_state := lock_job(p_job);
    v_now timestamptz := cell_now();
    v_wanted int8multirange;
    v_lower bigint[];
    v_upper bigint[];
    v_upto bigint;
    v_cancelled int8multirange;
    v_due boolean;
BEGIN
    IF EXISTS (SELECT FROM job j WHERE j.job_id = p_job AND j.service) THEN
        RAISE EXCEPTION USING ERRCODE = 'OM004',
            MESSAGE = format('job j%s is a service, whose replicas are not cancelled one by one; scale it', p_job);
    END IF;
    v_upto := v_state.task_count - v_state.never_placed;
    SELECT range_agg(int8range(r.a, r.a + r.n)) * int8multirange(int8range(0, v_upto))
    INTO v_wanted FROM unnest(p_first, p_count) AS r(a, n) WHERE r.n > 0;
    IF v_wanted IS NULL OR isempty(v_wanted) OR v_state.cancel_requested
       OR v_state.state IN ('succeeded', 'failed', 'cancelled') THEN
        RETURN;
    END IF;
    v_upto := upper(v_wanted);
    IF v_upto > v_state.next_index THEN
        INSERT INTO retry (job_id, first_index, count, attempt, failures, lost, not_before)
        VALUES (p_job, v_state.next_index, v_upto - v_state.next_index, 1, 0, 0, v_now);
        UPDATE job_state s SET next_index = v_upto WHERE s.job_id = p_job;
    END IF;

    SELECT array_agg(lower(w.piece) ORDER BY w.piece), array_agg(upper(w.piece) ORDER BY w.piece) INTO v_lower, v_upper
    FROM unnest(v_wanted) AS w(piece);
    WITH hit AS (
        DELETE FROM retry t
        WHERE t.job_id = p_job AND int8range(t.first_index, t.first_index + t.count) && v_wanted
        RETURNING t.*
    ), gone AS (
        SELECT h.first_index, h.attempt,
               int8range(greatest(h.first_index, v_lower[i.at]), least(h.first_index + h.count, v_upper[i.at])) AS piece
        FROM hit h
        CROSS JOIN LATERAL generate_series(
            greatest(width_bucket(h.first_index, v_lower), 1), width_bucket(h.first_index + h.count - 1, v_lower)) AS i(at)
        WHERE v_upper[i.at] > h.first_index
    ), kept AS (
        INSERT INTO retry (job_id, first_index, count, attempt, failures, lost, not_before)
        SELECT h.job_id, lower(k.piece), upper(k.piece) - lower(k.piece), h.attempt, h.failures, h.lost, h.not_before
        FROM hit h
        JOIN (SELECT g.first_index, range_agg(g.piece) AS pieces FROM gone g GROUP BY g.first_index) c
            ON c.first_index = h.first_index
        CROSS JOIN LATERAL unnest(int8multirange(int8range(h.first_index, h.first_index + h.count)) - c.pieces) AS k(piece)
    ), told AS (
        INSERT INTO outcome (at, job_id, task_index, attempt, state, final, machine_id, exit_code, started_at,
                             ended_at, result, error, stdout_tail, stderr_tail, xid)
        SELECT v_now, p_job, i.task_index, g.attempt, 'cancelled', true, 0, -1, 'epoch', v_now, '', '', '', '',
               CASE WHEN j.open THEN pg_current_xact_id() END
        FROM gone g CROSS JOIN LATERAL generate_series(lower(g.piece), upper(g.piece) - 1) AS i(task_index)
        JOIN job j ON j.job_id = p_job
    )
    SELECT range_agg(g.piece) INTO v_cancelled FROM gone g;
    IF v_cancelled IS NULL THEN
        RETURN;
    END IF;
    UPDATE job_state s
    SET cancelled = s.cancelled + (SELECT sum(upper(c.piece) - lower(c.piece)) FROM unnest(v_cancelled) AS c(piece))
    WHERE s.job_id = p_job;
    PERFORM unclaim_idle(p_job);
    SELECT f.due INTO v_due FROM fold_jobs(ARRAY[p_job], true) f;
    RETURN QUERY SELECT lower(c.piece), upper(c.piece) - lower(c.piece), v_due FROM unnest(v_cancelled) AS c(piece);
END
$$;
