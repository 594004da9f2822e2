"""What the schedulers' tasks hold, told to allocators that must know: when a commit placed some, and when they end."""

from __future__ import annotations

from typing import Protocol

from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.simulation import Simulation
from omegacell.cellstate.model import Int64
from omegacell.schedulers.attempt import Finished


class Placed:
    """What one commit gave one job: rows: int64[K], a row may come twice; taken: int64[K, R], of the amounts."""

    __slots__ = ("rows", "scheduler_id", "taken")

    def __init__(self, scheduler_id: int, rows: Int64, taken: Int64) -> None:
        self.scheduler_id = scheduler_id
        self.rows = rows
        self.taken = taken


class Ended(Protocol):
    """What an allocator does when tasks end."""

    def __call__(self, placed: Placed, /) -> None: ...


def follow(simulation: Simulation, driver: Driver, finished: Finished, ended: Ended) -> list[Placed]:
    """What an attempt placed, by job; `ended` is called with each once its tasks have ended, after the cell knows."""
    verdict, attempt = finished.verdict, finished.attempt
    engine, cell = simulation.engine, simulation.cell
    found = []
    for position, planned in enumerate(attempt.jobs):
        if not finished.tallies[position].accepted:
            continue
        first, last = attempt.bounds[position : position + 2]
        accepted = verdict.accepted[first:last]
        kept = accepted > 0
        placed = Placed(
            driver.scheduler.lease.holder_id,
            cell.snapshot.rows_of(verdict.machine_id[first:last][kept]),
            accepted[kept][:, None] * planned.job.amounts.vector(),
        )
        found.append(placed)
        # A task that stays for ever ends at infinity, which the clock does not reach.
        duration = float(simulation.jobs.duration_seconds[planned.job.job_id - 1])
        engine.at(engine.now + duration, ended, placed)
    return found
