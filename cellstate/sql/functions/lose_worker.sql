-- Takes down all machines of a worker that are up, for a holder that left, was replaced, or is proven dead.
-- Parameters: worker. Returns the jobs to fold. Locks: its machines by id, then placements.
CREATE FUNCTION lose_worker(p_worker bigint) RETURNS bigint[]
LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$
DECLARE
    v_machines bigint[];
BEGIN
    SELECT array_agg(l.machine_id) INTO v_machines FROM (
        SELECT m.machine_id FROM machine m WHERE m.worker_id = p_worker AND m.up ORDER BY m.machine_id FOR UPDATE
    ) l;
    IF v_machines IS NULL THEN
        RETURN '{}';
    END IF;
    RETURN lose_machines(v_machines);
END
$$;
