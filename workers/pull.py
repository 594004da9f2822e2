"""From the store's answer to tasks ready to run: definitions kept by job, inputs fetched in runs."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from omegacell.cellstate.model import Placement, TaskDefinition
from omegacell.cellstate.store import WorkerStore
from omegacell.workers.runner import Task, key_of

_DEFINITIONS_KEPT = 1000
_PAYLOAD_BYTES_KEPT = 256 * 2**20
"""Definitions carry pickled callables: bounded by number and by bytes."""


class Definitions:
    """How to run the tasks of each job; asked for once, the least lately used are forgotten."""

    def __init__(self, store: WorkerStore) -> None:
        self._store = store
        self._known: OrderedDict[int, TaskDefinition] = OrderedDict()
        self._payload_bytes = 0

    def of(self, job_ids: Sequence[int]) -> Mapping[int, TaskDefinition]:
        """By job id; jobs that the store does not know are left out."""
        missing = sorted({job_id for job_id in job_ids if job_id not in self._known})
        if missing:
            for definition in self._store.definitions(missing):
                self._known[definition.job_id] = definition
                self._payload_bytes += len(definition.payload)
        found = {job_id: self._known[job_id] for job_id in job_ids if job_id in self._known}
        for job_id in found:
            self._known.move_to_end(job_id)
        while len(self._known) > _DEFINITIONS_KEPT or self._payload_bytes > _PAYLOAD_BYTES_KEPT:
            _, dropped = self._known.popitem(last=False)
            self._payload_bytes -= len(dropped.payload)
        return found


def prepare(
    store: WorkerStore,
    definitions: Definitions,
    placements: Sequence[Placement],
    machine_names: Mapping[int, str],
) -> tuple[tuple[Task, ...], tuple[Placement, ...]]:
    """Tasks with all they need, and the placements of jobs that the store does not know."""
    known = definitions.of([placement.job_id for placement in placements])
    tasks: list[Task] = []
    for job_id, first, group in _runs(placement for placement in placements if placement.job_id in known):
        definition = known[job_id]
        data: Sequence[bytes] = ()
        if definition.has_inputs:
            data = store.inputs(job_id, first, group[-1].first_index - first + 1)
        for placement in group:
            tasks.append(
                Task(
                    key=key_of(placement),
                    machine=machine_names[placement.machine_id],
                    definition=definition,
                    input=data[placement.first_index - first] if data else b"",
                )
            )
    unknown = tuple(placement for placement in placements if placement.job_id not in known)
    return tuple(tasks), unknown


def _runs(placements: Iterator[Placement]) -> Iterator[tuple[int, int, list[Placement]]]:
    """Placements of one job with neighbouring indexes, together: (job id, first index, placements)."""
    ordered = sorted(placements, key=lambda placement: (placement.job_id, placement.first_index))
    # In a run of neighbours, index minus position is the same for all.
    numbered = enumerate(ordered)
    for _, group in itertools.groupby(
        numbered, key=lambda pair: (pair[1].job_id, pair[1].first_index - pair[0])
    ):
        together = [placement for _, placement in group]
        yield together[0].job_id, together[0].first_index, together
