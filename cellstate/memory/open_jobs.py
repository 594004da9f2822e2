"""Jobs that grow: tasks are added, cancelled one by one, and read as they end, until the job is closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.memory import expiry
from omegacell.cellstate.memory.fold import fold
from omegacell.cellstate.memory.queueing import requeue
from omegacell.cellstate.memory.state import Cell, Job
from omegacell.cellstate.memory.withdrawal import cancel_waiting
from omegacell.cellstate.model import Endings, RetryRange, Watermark

GENERATION = 1
"""A memory store is never restored from a backup."""


def append(cell: Cell, job: Job, first_index: int, inputs: Sequence[bytes], *, now: float) -> int:
    """Add tasks with their inputs, once; how many tasks there are then."""
    if not job.spec.open or job.spec.service:
        raise SpecInvalid(
            f"job j{job.job_id} was not submitted open, so that no tasks can be added; submit another"
        )
    if first_index >= 0 and first_index + len(inputs) <= job.task_count:
        return job.task_count  # sent twice, and applied already
    if not job.open:
        raise SpecInvalid(
            f"job j{job.job_id} was closed or cancelled, so that no tasks can be added; submit another"
        )
    if first_index != job.task_count:
        raise SpecInvalid(
            f"tasks of job j{job.job_id} were added from index {first_index} on, expected {job.task_count}, as many "
            "as it has; add them in order, each once"
        )
    job.inputs += [b""] * (first_index - len(job.inputs))
    job.inputs += inputs
    job.task_count += len(inputs)
    requeue(cell, job, now=now)
    return job.task_count


def close(cell: Cell, job: Job, *, now: float) -> None:
    """Let a job end once its tasks have."""
    if job.spec.service:
        raise SpecInvalid(
            f"job j{job.job_id} is a service, which has no end of its own; cancel it, or scale it"
        )
    if job.open:
        job.open = False
        fold(cell, (job.job_id,), now=now)


def renew(cell: Cell, job: Job, lease_seconds: float, *, now: float) -> bool:
    """Let the client's lease end so long from now; whether the job still wants it."""
    if job.state.final or job.cancel_requested or not job.lease_until:
        return False
    earlier, job.lease_until = job.lease_until, now + lease_seconds
    if job.lease_until < earlier:
        expiry.watch(cell, job)
    return True


def cancel_tasks(
    cell: Cell, job: Job, ranges: Sequence[tuple[int, int]], *, now: float
) -> tuple[tuple[int, int], ...]:
    """Cancel those of the tasks that wait for a place; the ranges that were."""
    if job.spec.service:
        raise SpecInvalid(
            f"job j{job.job_id} is a service, whose tasks are not cancelled one by one; scale it"
        )
    wanted = _joined((max(first, 0), min(first + count, job.task_count)) for first, count in ranges)
    if job.state.final or job.cancel_requested or not wanted:
        return ()
    _number(job, wanted[-1][1], now=now)
    cancelled: list[RetryRange] = []
    for first_index, end in wanted:
        cancelled += job.retries.cut(first_index, end)
    cancel_waiting(job, cancelled, now=now)
    fold(cell, (job.job_id,), now=now)
    return tuple(
        (first_index, end - first_index)
        for first_index, end in _joined((one.first_index, one.first_index + one.count) for one in cancelled)
    )


def _number(job: Job, end: int, *, now: float) -> None:
    """Let the tasks below `end` that have no index yet wait under theirs."""
    if end > job.next_index:
        job.retries.add(
            RetryRange(
                job_id=job.job_id,
                first_index=job.next_index,
                count=end - job.next_index,
                attempt=1,
                failures=0,
                lost=0,
                not_before=now,
            )
        )
        job.next_index = end


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans (first, end) in order, without empty ones, those that touch or overlap made one."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((first, end))
    return joined


def ended(job: Job, watermark: Watermark | None) -> Endings:
    """The final outcomes since the watermark, which is a position among all outcomes."""
    if not job.spec.open:
        raise SpecInvalid(f"job j{job.job_id} was not submitted open; read its outcomes instead")
    known = watermark is not None and watermark.generation == GENERATION
    position = int(watermark.snapshot) if watermark is not None and known else 0
    return Endings(
        outcomes=tuple(one for one in job.outcomes[position:] if one.final),
        watermark=Watermark(generation=GENERATION, snapshot=str(len(job.outcomes))),
    )
