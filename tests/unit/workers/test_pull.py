"""From placements to tasks: definitions once, inputs in runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.memory import MemoryStore
from omegacell.cellstate.model import Amounts, JobSpec, Submission, TaskDefinition, TaskKind
from omegacell.workers.pull import Definitions, prepare
from tests.unit.workers.test_reconcile import placement


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
    tasks, unknown = prepare(store, definitions, placements, {5: "m5"})
    assert {task.key.first_index: task.input for task in tasks} == {2: b"2", 3: b"3", 4: b"4", 7: b"7"}
    assert {task.machine for task in tasks} == {"m5"}
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
    assert prepare(store, Definitions(store), [lost], {5: "m5"}) == ((), (lost,))
