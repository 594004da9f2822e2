"""Finding the placements that would make room for a job: whom to ask, whom to name, and who was asked already."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import numpy as np

from omegacell.cellstate.model import NO_VICTIMS, ClaimedJob, Int64, Preemptible, Victims
from omegacell.cellstate.model.amounts import no_entries
from omegacell.cellstate.room import Room
from omegacell.cellstate.snapshot import Snapshot
from omegacell.schedulers import feasible
from omegacell.schedulers.imagined import Emptied
from omegacell.schedulers.policy import Request
from omegacell.schedulers.preempt import MACHINES_ASKED, Barren, Candidate, Seizure, choose
from omegacell.schedulers.view import AttemptView

AskPreemptible = Callable[[Int64, int], Preemptible]
"""SchedulerStore.preemptible: what these machines hold of a priority lower than that."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seized:
    """Slots in the place of others: rows: int64[S], a slot each; `victims` count claims from the first of them."""

    rows: Int64 = field(default_factory=no_entries)
    victims: Victims = NO_VICTIMS


NOTHING_SEIZED = Seized()


class Seizer:
    """Names victims for jobs without room; remembers which machines hold nothing that may go."""

    def __init__(self, ask: AskPreemptible, rng: np.random.Generator) -> None:
        self._ask = ask
        self._rng = rng
        self._barren = Barren()

    def seize(
        self,
        job: ClaimedJob,
        request: Request,
        view: AttemptView,
        snapshot: Snapshot,
        *,
        but: Collection[int],
        budget: int,
    ) -> Seized:
        """Up to `request.count` slots with at most `budget` victims, on no row of `but`; not counted in the view."""
        emptied = feasible.room(request, Emptied(view))
        emptied[list(but)] = 0
        rows = self._worth_asking(np.flatnonzero(emptied), snapshot, below=job.priority)
        if not len(rows):
            return NOTHING_SEIZED
        held = self._held(rows, snapshot, below=job.priority)
        row_of = snapshot.rows_of(held.machine_id)
        candidates = [
            Candidate(row=row, room=_room(snapshot, row), places=int(emptied[row]))
            for row in np.unique(row_of).tolist()
        ]
        chosen = choose(
            job.amounts,
            request.count,
            candidates,
            held,
            row_of=row_of,
            largest=view.largest,
            limits=feasible.group_limits(request, view),
            budget=budget,
        )
        return _seized(chosen, held)

    def _worth_asking(self, rows: Int64, snapshot: Snapshot, *, below: int) -> Int64:
        """Those of these rows that may hold something that may go, or some of them if there are very many."""
        ids, versions = snapshot.machine_id[rows], snapshot.version[rows]
        worth = rows[self._barren.worth_asking(ids, versions, below=below)]
        if len(worth) > MACHINES_ASKED:
            worth = np.sort(self._rng.choice(worth, MACHINES_ASKED, replace=False))
        return worth

    def _held(self, rows: Int64, snapshot: Snapshot, *, below: int) -> Preemptible:
        """What may go on these machines."""
        ids, versions = snapshot.machine_id[rows], snapshot.version[rows]
        held = self._ask(ids, below)
        self._barren.learn(ids, versions, held, below=below)
        return held


def _room(snapshot: Snapshot, row: int) -> Room:
    devices = snapshot.device_free[row]
    return Room(
        snapshot.free[row].tolist(),
        devices=devices[devices >= 0].tolist(),
        custom={name: int(resource.free[row]) for name, resource in snapshot.named.items()},
    )


def _seized(chosen: tuple[Seizure, ...], held: Preemptible) -> Seized:
    counts = [len(seizure.victims) for seizure in chosen]
    at = np.array([victim for seizure in chosen for victim in seizure.victims], dtype=np.int64)
    return Seized(
        rows=np.array([seizure.row for seizure in chosen], dtype=np.int64),
        victims=Victims(
            claim=np.repeat(np.arange(len(chosen)), counts),
            job_id=held.job_id[at],
            first_index=held.first_index[at],
            attempt=held.attempt[at],
        ),
    )


def close(request: Request, seized: Seized, view: AttemptView) -> None:
    """Count what is still free on machines that are seized as taken: what is left there nobody knows for certain."""
    for row in np.unique(seized.rows).tolist():
        left = np.maximum(view.free_matrix[row], 0)
        all_of_it = replace(request, amounts=left, gpu_milli=0, custom=())
        view.claim(all_of_it, np.array([row]), np.ones(1, dtype=np.int64))
