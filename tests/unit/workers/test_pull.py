"""From placements to tasks: definitions once, inputs in runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.model import Amounts, JobSpec, Submission, TaskDefinition, TaskKind
from omegacell.workers.pull import Definitions, ServedMachine, prepare
from tests.unit.workers.test_reconcile import placement

MACHINES = {5: ServedMachine(name="m5", host_devices=(2, 3))}


class CountingStore(MemoryStore):
    """A cell in memory with one job of ten items, which counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(ManualClock(0.0))
        self.asked: list[tuple[int, ...]] = []
        spec = JobSpec(name="job", kind=TaskKind.COMMAND, command=("true",), task_count=10, amounts=Amounts())
        inputs = tuple(b"%d" % n for n in range(10))
        self.job_id = self.submit([Submission(submission_id=uuid4(), spec=spec, inputs=inputs)])[0].job_id

    def definitions(self, job_ids: Sequence[int]) -> tuple[TaskDefinition, ...]:
        self.asked.append(tuple(job_ids))
        return super().definitions(job_ids)

    def inputs(self, job_id: int, first_index: int, count: int) -> tuple[bytes, ...]:
        self.asked.append((job_id, first_index, count))
        return super().inputs(job_id, first_index, count)


def test_each_task_gets_its_own_input_and_neighbours_are_asked_for_together() -> None:
    store = CountingStore()
    definitions = Definitions(store)
    placements = [replace(placement(index), job_id=store.job_id) for index in (7, 2, 3, 4)]
    slots, unknown = prepare(store, definitions, placements, MACHINES)
    assert {slot.key.first_index: slot.input(slot.key.first_index) for slot in slots} == {
        2: b"2",
        3: b"3",
        4: b"4",
        7: b"7",
    }
    assert {slot.machine for slot in slots} == {"m5"}
    assert unknown == ()
    assert store.asked == [(store.job_id,), (store.job_id, 2, 3), (store.job_id, 7, 1)]


def test_a_definition_is_asked_for_once() -> None:
    store = CountingStore()
    definitions = Definitions(store)
    definitions.of([store.job_id])
    assert definitions.of([store.job_id, store.job_id])[store.job_id].has_inputs
    assert store.asked == [(store.job_id,)]


def test_placements_of_a_job_that_the_store_does_not_know_are_given_back() -> None:
    store = CountingStore()
    lost = replace(placement(), job_id=99)
    assert prepare(store, Definitions(store), [lost], MACHINES) == ((), (lost,))


def test_the_data_of_slots_is_asked_for_together_and_dealt_out_by_task() -> None:
    store = CountingStore()
    long, short = (
        replace(placement(first), job_id=store.job_id, count=count) for first, count in ((2, 4), (6, 2))
    )
    slots, _ = prepare(store, Definitions(store), [short, long], MACHINES)
    assert [[slot.input(slot.key.first_index + n) for n in range(slot.count)] for slot in slots] == [
        [b"2", b"3", b"4", b"5"],
        [b"6", b"7"],
    ]
    assert store.asked == [(store.job_id,), (store.job_id, 2, 6)]


def test_devices_are_named_as_the_machine_and_as_the_host_numbers_them() -> None:
    store = CountingStore()
    (slot,), _ = prepare(
        store, Definitions(store), [replace(placement(), job_id=store.job_id, devices=(1,))], MACHINES
    )
    assert (slot.devices, slot.host_devices) == ((1,), (3,))


def test_devices_of_a_machine_that_says_nothing_are_the_hosts() -> None:
    assert ServedMachine(name="m").on_host((0, 2)) == (0, 2)
