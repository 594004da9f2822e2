-- What follows the end of one attempt: final or not, which counter, and the next attempt's budgets.
-- Parameters: the attempt's end state; its job's cancellation, retry budget and loss rule; the failures
-- and losses so far; how long it ran. Returns one row. Locks: none. The rule is worded in store.py, report_ended.
CREATE FUNCTION after_attempt(
    p_state text, p_cancelled boolean, p_service boolean, p_failures int, p_retries int, p_lost int,
    p_max_lost int, p_on_lost text, p_ran_seconds double precision, p_backoff_max double precision
) RETURNS TABLE (final boolean, counted text, failures int, lost int, delayed boolean)
LANGUAGE sql IMMUTABLE
AS $$
    SELECT
        CASE
            WHEN p_cancelled OR p_state = 'cancelled' THEN true
            WHEN p_service THEN false
            WHEN p_state = 'lost' AND p_on_lost = 'fail' THEN true
            WHEN p_state IN ('lost', 'preempted') THEN p_lost + 1 > p_max_lost
            WHEN p_state = 'succeeded' THEN true
            ELSE p_failures >= p_retries
        END,
        CASE
            WHEN p_state = 'succeeded' AND (p_cancelled OR NOT p_service) THEN 'succeeded'
            WHEN p_cancelled OR p_state = 'cancelled' THEN 'cancelled'
            ELSE 'failed'
        END,
        CASE
            WHEN p_state IN ('lost', 'preempted') THEN p_failures
            WHEN p_service AND p_ran_seconds > p_backoff_max THEN 1
            ELSE p_failures + 1
        END,
        p_lost + (p_state IN ('lost', 'preempted'))::int,
        p_state NOT IN ('lost', 'preempted')
$$;
