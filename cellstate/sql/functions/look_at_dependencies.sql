-- Looks at what was stored as to be waited for: it need not be looked at again before its parent ends. Returns whether
-- a parent has ended meanwhile, so that release_jobs has something to do.
-- Locks: the parents by id, shared, then the rows. Whoever ends a parent holds it locked: either it has committed, and its
-- state tells here, or it comes after this, and sees the rows. Index: dependency_due_index.
CREATE FUNCTION look_at_dependencies() RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_parents bigint[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT array_agg(l.job_id) INTO v_parents FROM (
        SELECT s.job_id FROM job_state s
        WHERE s.job_id IN (SELECT d.parent_job FROM dependency d WHERE d.due)
          AND s.state NOT IN ('succeeded', 'failed', 'cancelled')
        ORDER BY s.job_id FOR SHARE
    ) l;
    IF v_parents IS NOT NULL THEN
        UPDATE dependency d SET due = false
        FROM (
            SELECT e.parent_job, e.child_job
            FROM dependency e JOIN job_state s ON s.job_id = e.parent_job
            WHERE e.due AND e.parent_job = ANY (v_parents) AND s.state NOT IN ('succeeded', 'failed', 'cancelled')
            ORDER BY e.parent_job, e.child_job FOR UPDATE OF e
        ) w
        WHERE d.parent_job = w.parent_job AND d.child_job = w.child_job;
    END IF;
    RETURN EXISTS (SELECT FROM dependency d WHERE d.due);
END
$$;
