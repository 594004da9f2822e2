"""Two-level, as Mesos: an allocator offers what is free to one scheduler at a time, and locks it until the answer.

Source: Schwarzkopf et al., "Omega", EuroSys 2013, sections 3.3 and 4.2, and its published lightweight simulator;
Hindman et al., "Mesos", NSDI 2011; the order is that of dominant resource fairness (Ghodsi et al., NSDI 2011).
"""

from __future__ import annotations

import numpy as np

from omegacell.bench.sim.architectures.running import Placed, follow
from omegacell.bench.sim.architectures.windows import Window
from omegacell.bench.sim.desks import Driver
from omegacell.bench.sim.simulation import Simulation
from omegacell.bench.sim.utilisation import Utilisation
from omegacell.cellstate.model import Int64
from omegacell.schedulers.attempt import Finished
from omegacell.schedulers.config import UNLIMITED
from omegacell.schedulers.scheduler import Scheduler

SMALLEST_OFFER = {"cpu_milli": 100_000, "memory_bytes": 100 * 10**9}
"""Less than that is not offered: the reference simulator's 100 CPUs, and as many GB."""
SMALLEST_SHARE = 40
"""In a cell of less than 40 times that the smallest offer is 1/40 of it, so that small cells work too."""


def arrange(simulation: Simulation) -> None:
    """Each scheduler of the scenario, with a queue of its own, served by one allocator."""
    allocator = Allocator(simulation)
    for spec in simulation.scenario.scheduler:
        # An answer speaks of every job in the queue.
        greedy = spec.model_copy(update={"config": {**spec.config, "jobs_per_attempt": UNLIMITED}})
        for _ in range(spec.count):
            scheduler = simulation.scheduler(greedy, simulation.cell.snapshot)
            driver = OfferedDriver(allocator, scheduler)
            simulation.seat(driver, greedy, serves=spec.task_kinds)


def mean_locked(simulation: Simulation) -> tuple[float, ...]:
    """The share of each dimension that offers lock, mean of one sample a second; zeros without an allocator."""
    snapshot = simulation.cell.snapshot
    for driver in simulation.drivers:
        if isinstance(driver, OfferedDriver):
            return tuple(driver.allocator.locked.mean(simulation.engine.now, snapshot.capacity.sum(axis=0)))
    return (0.0,) * len(snapshot.dimensions)


class OfferedDriver(Driver):
    """Drives a scheduler that begins an attempt when, and only when, it gets an offer."""

    def __init__(self, allocator: Allocator, scheduler: Scheduler) -> None:
        super().__init__(
            allocator.simulation.engine, scheduler, lambda finished: allocator.answered(self, finished)
        )
        self.allocator = allocator

    def wake(self) -> None:
        """A job has come: ask for an offer, also while thinking about an earlier one."""
        self.allocator.want()

    def begin(self) -> None:
        """Idle again, perhaps with jobs in the queue: ask for an offer."""
        self.allocator.want()

    def offered(self) -> None:
        """Answer an offer: think about all jobs that wait."""
        super().begin()


class Offer:
    """Room locked for one scheduler: amounts: int64[R], in all.

    `rows`, `free`: int64[K], int64[K, R]: where, unless it is a sweep, which is all that was free in the cell.
    """

    __slots__ = ("amounts", "free", "rows", "sweep")

    def __init__(self, amounts: Int64, *, sweep: bool, rows: Int64, free: Int64) -> None:
        self.amounts = amounts
        self.sweep = sweep
        self.rows = rows
        self.free = free


class Allocator:
    """Decides who gets which offer, and when.

    The naive way, a copy of the cell per offer, costs a pass over all machines. But an offer is of all that is free: a
    scheduler may as well plan on the cell itself, which takes no virtual time, and everything is locked from then on.
    What becomes free while such a sweep is out is kept in `_loose`, row by row, and may be offered to another. Devices
    and named resources that become free meanwhile wait for the next sweep.
    """

    def __init__(self, simulation: Simulation) -> None:
        snapshot = simulation.cell.snapshot
        self.simulation = simulation
        self.locked = Utilisation(warm_up=simulation.scenario.warm_up_seconds)
        self._locked = [self.locked.level(unit) for unit in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
        self._capacity = snapshot.capacity.sum(axis=0)
        self._least = np.minimum(
            [SMALLEST_OFFER.get(dimension, 0) for dimension in snapshot.dimensions],
            self._capacity // SMALLEST_SHARE,
        )
        self._free = snapshot.free.sum(axis=0)
        self._running: dict[int, Int64] = {}  # int64[R], what a scheduler's tasks hold, by its id
        self._offers: dict[int, Offer] = {}  # those out, by scheduler
        self._loose = Window(snapshot, 0, snapshot.machines, own=True)
        self._loose.clear()
        self._loosened: list[Int64] = []  # the rows of _loose that may not be empty
        self._due = False

    def want(self) -> None:
        """Let there be a round of offers: it comes one interval after it was first wanted."""
        if not self._due:
            self._due = True
            engine = self.simulation.engine
            engine.at(engine.now + self.simulation.scenario.offer_seconds, self._round)

    def share(self, scheduler_id: int) -> float:
        """The dominant share: the largest part that the scheduler's tasks hold of any dimension."""
        held = self._running.get(scheduler_id)
        if held is None:
            return 0.0
        present = self._capacity > 0
        return float((held[present] / self._capacity[present]).max(initial=0.0))

    def _round(self, _: None) -> None:
        """Offer what is free and not locked to the scheduler in need whose tasks hold least."""
        self._due = False
        unlocked = self._unlocked()
        needy = [
            driver
            for driver in self.simulation.drivers
            if isinstance(driver, OfferedDriver) and driver.desk.queue and not driver.busy
        ]
        if not needy or (unlocked < self._least).any():
            return  # the next job, answer or end of a task asks again
        chosen = min(needy, key=lambda driver: self.share(driver.scheduler.lease.holder_id))
        if any(offer.sweep for offer in self._offers.values()):
            self._offer_loose(chosen, unlocked)
        else:
            self._sweep(chosen, unlocked)
        self._lock(unlocked, 1)

    def _lock(self, amounts: Int64, sign: int) -> None:
        for level, amount in zip(self._locked, amounts.tolist(), strict=True):
            level.change(self.simulation.engine.now, sign * amount)

    def _unlocked(self) -> Int64:
        """int64[R]."""
        unlocked: Int64 = self._free - sum(offer.amounts for offer in self._offers.values())
        return unlocked

    def _sweep(self, driver: OfferedDriver, unlocked: Int64) -> None:
        """Offer the whole cell, without what smaller offers lock."""
        free = self.simulation.cell.snapshot.free
        others = list(self._offers.values())
        for offer in others:
            free[offer.rows] -= offer.free
        driver.scheduler.snapshot = self.simulation.cell.snapshot
        driver.offered()
        for offer in others:
            free[offer.rows] += offer.free
        nothing = np.zeros(0, dtype=np.int64)
        self._offers[driver.scheduler.lease.holder_id] = Offer(
            unlocked, sweep=True, rows=nothing, free=np.zeros((0, len(unlocked)), dtype=np.int64)
        )

    def _offer_loose(self, driver: OfferedDriver, unlocked: Int64) -> None:
        """Offer what has become free while another has the rest."""
        rows = np.unique(np.concatenate(self._loosened))
        loose = self._loose
        loose.claim_sequence[rows] = self.simulation.cell.snapshot.claim_sequence[rows]
        driver.scheduler.snapshot = loose
        driver.offered()
        self._offers[driver.scheduler.lease.holder_id] = Offer(
            unlocked, sweep=False, rows=rows, free=loose.free[rows]
        )
        self._forget_loose()

    def answered(self, driver: OfferedDriver, finished: Finished) -> None:
        """A scheduler has committed: unlock what it was offered, and count what it placed."""
        scheduler_id = driver.scheduler.lease.holder_id
        offer = self._offers.pop(scheduler_id)
        self._lock(offer.amounts, -1)
        if offer.sweep:
            self._forget_loose()
        elif any(other.sweep for other in self._offers.values()):
            self._loosen(offer.rows, offer.free)
        for placed in follow(self.simulation, driver, finished, self._ended):
            taken = placed.taken.sum(axis=0)
            self._free = self._free - taken
            self._running[scheduler_id] = self._running.get(scheduler_id, 0) + taken
            if not offer.sweep and any(other.sweep for other in self._offers.values()):
                self._loosen(placed.rows, -placed.taken)

    def _ended(self, placed: Placed) -> None:
        """Tasks have ended: their room may be offered."""
        taken = placed.taken.sum(axis=0)
        self._free = self._free + taken
        self._running[placed.scheduler_id] = self._running[placed.scheduler_id] - taken
        if any(offer.sweep for offer in self._offers.values()):
            self._loosen(placed.rows, placed.taken)
        self.want()

    def _loosen(self, rows: Int64, amounts: Int64) -> None:
        np.add.at(self._loose.free, rows, amounts)
        self._loosened.append(rows)

    def _forget_loose(self) -> None:
        for rows in self._loosened:
            self._loose.free[rows] = 0
        self._loosened.clear()
