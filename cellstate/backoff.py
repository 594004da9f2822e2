"""How long a failed task waits before it runs again. The SQL twin is sql/functions/backoff_seconds.sql."""

from __future__ import annotations


def delay_seconds(
    *, backoff_seconds: float, backoff_max_seconds: float, failures: int, job_id: int, task_index: int
) -> float:
    """Exponential back-off with jitter: half to all of backoff * 2^(failures - 1), at most the maximum.

    `failures` counts this one (>= 1). The jitter is a function of the task, not a random draw, so that both
    stores and every replay agree; neighbours in an array still spread out.
    """
    ceiling = min(backoff_max_seconds, backoff_seconds * 2.0 ** min(failures - 1, 30))
    jitter = ((job_id * 7919 + task_index * 104729 + failures * 1299709) % 1000) / 1000.0
    return ceiling * (0.5 + 0.5 * jitter)
