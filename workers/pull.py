"""From the store's answer to slots ready to run: definitions kept by job, inputs fetched in runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from omegacell.cellstate.model import Placement, TaskDefinition
from omegacell.cellstate.store import WorkerStore
from omegacell.workers.runner import Slot, key_of

_DEFINITIONS_KEPT = 1000
_PAYLOAD_BYTES_KEPT = 256 * 2**20
"""Definitions carry pickled callables: bounded by number and by bytes."""

_INPUTS_AT_ONCE = 10_000
"""Tasks whose data one call asks for, from which on it asks for no further slot: some megabytes."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedMachine:
    """A machine as its tasks see it; `host_devices` are the host's numbers of its devices, by its own."""

    name: str
    host_devices: tuple[int, ...] = ()

    def on_host(self, devices: Sequence[int]) -> tuple[int, ...]:
        """The host's numbers of these devices: the machine's own where nothing else was said."""
        known = len(self.host_devices)
        return tuple(self.host_devices[one] if one < known else one for one in devices)


def prepare(
    store: WorkerStore,
    definitions: Definitions,
    placements: Sequence[Placement],
    machines: Mapping[int, ServedMachine],
) -> tuple[tuple[Slot, ...], tuple[Placement, ...]]:
    """Slots with all they need, and the placements of jobs that the store does not know."""
    known = definitions.of([placement.job_id for placement in placements])
    slots: list[Slot] = []
    for group in _runs(placement for placement in placements if placement.job_id in known):
        job_id, first = group[0].job_id, group[0].first_index
        definition = known[job_id]
        data: Sequence[bytes] = ()
        if definition.has_inputs:
            data = store.inputs(job_id, first, group[-1].first_index + group[-1].count - first)
        for placement in group:
            machine, begin = machines[placement.machine_id], placement.first_index - first
            slots.append(
                Slot(
                    key=key_of(placement),
                    machine=machine.name,
                    definition=definition,
                    count=placement.count,
                    inputs=data[begin : begin + placement.count],
                    devices=placement.devices,
                    host_devices=machine.on_host(placement.devices),
                )
            )
    unknown = tuple(placement for placement in placements if placement.job_id not in known)
    return tuple(slots), unknown


def _runs(placements: Iterable[Placement]) -> Iterator[list[Placement]]:
    """Placements of one job with neighbouring indexes, together, in portions of a reasonable size."""
    run: list[Placement] = []
    tasks = 0
    for placement in sorted(placements, key=lambda placement: (placement.job_id, placement.first_index)):
        here = (placement.job_id, placement.first_index)
        if run and (
            here != (run[-1].job_id, run[-1].first_index + run[-1].count) or tasks >= _INPUTS_AT_ONCE
        ):
            yield run
            run, tasks = [], 0
        run.append(placement)
        tasks += placement.count
    if run:
        yield run
