"""What people are told about a job that waits."""

from __future__ import annotations

from typing import Any

import pytest

from omegacell.cellstate.model import AntiAffinity, CommitMode, Constraint, Detection, Operator
from omegacell.schedulers.batch import BatchScheduler
from omegacell.schedulers.config import REFERENCE, SchedulerConfig
from omegacell.schedulers.explain import amount_text, render
from tests.unit.schedulers.builders import START, MemoryCell


def told(cell: MemoryCell, tasks: int = 1, cpu: int = 1_000, **more: Any) -> str:
    """The sentences about a job after one attempt."""
    job = cell.submit(tasks, cpu, **more)
    cell.run(cell.scheduler(BatchScheduler))
    return "\n".join(render(cell.store.explanation(job)))


def test_no_attempt_yet() -> None:
    assert render("{}") == ["No attempt to place this job has left an explanation yet."]


def test_no_machines() -> None:
    assert "The cell has no machines; it starts when one joins." in told(MemoryCell())


def test_too_large_for_every_machine() -> None:
    said = told(MemoryCell(4_000, 2_500), cpu=64_000)
    assert "A task needs cpu 64, but the largest machine it may use has cpu 4" in said
    assert "it starts when a machine that fits joins" in said
    assert "The nearest miss is machine 'm1', which has free cpu 4 of the cpu 64 needed." in said


def test_too_little_free_now() -> None:
    cell = MemoryCell(4_000, 4_000)
    cell.submit(2, 3_000)
    cell.run(cell.scheduler(BatchScheduler))
    said = told(cell, cpu=2_000)
    assert "2 of 2 machines have less free than the cpu 2 that a task needs." in said


def test_constraint_without_a_match() -> None:
    constraint = Constraint(attribute="zone", operator=Operator.IN, values=("a", "b"))
    said = told(MemoryCell(4_000, attributes=[{"zone": "c"}]), constraints=(constraint,))
    assert "No available machine satisfies 'zone in (a, b)'." in said


def test_constraint_with_few_matches() -> None:
    constraint = Constraint(attribute="gpu", operator=Operator.EXISTS)
    said = told(MemoryCell(9_000, 500, attributes=[{}, {"gpu": "x"}]), constraints=(constraint,))
    assert "1 of 2 machines does not satisfy 'gpu exists'." in said
    assert "the largest machine it may use has cpu 0.5" in said


def test_anti_affinity_exhausted() -> None:
    said = told(MemoryCell(9_000, 9_000), 3, anti_affinity=(AntiAffinity(attribute="machine", limit=1),))
    assert "placed 2 tasks and left 1 waiting" in said
    assert (
        "2 of 2 machines have room, but already as many tasks of this job as its anti-affinity allows."
        in said
    )


def test_limit_on_what_runs_at_once() -> None:
    cell = MemoryCell(2_000)
    said = told(cell, 9, max_running=3)
    assert "No more than 3 tasks of it may run at once (max_running), and 2 are placed." in said
    assert "max_running" not in told(MemoryCell(2_000), 9, max_running=9)


def test_cordoned_machines() -> None:
    cell = MemoryCell(9_000)
    cell.store.drain("m1")
    assert "1 of 1 machine is down, drained or cordoned." in told(cell)


def test_gang_too_large() -> None:
    said = told(MemoryCell(4_000), 6, commit=CommitMode.GANG)
    assert "It is a gang: 6 tasks must be placed at once, and room was found for 4." in said


def test_policy_that_fails() -> None:
    assert "The policy 'no.such:Thing' failed: PolicyError: policy 'no.such:Thing' cannot be loaded" in told(
        MemoryCell(4_000), policy="no.such:Thing"
    )


def test_conflict_names_machine_dimension_and_rival() -> None:
    cell = MemoryCell(3_000)
    first, second = (
        cell.scheduler(BatchScheduler, name=name, config=SchedulerConfig(jobs_per_attempt=1))
        for name in ("s-1", "s-2")
    )
    cell.submit(2)
    job = cell.submit(2)
    attempts = first.begin(START), second.begin(START)
    first.finish(attempts[0], START)
    second.finish(attempts[1], START)
    said = "\n".join(render(cell.store.explanation(job)))
    assert "Attempt 1 (by s-2 with random_first_fit)" in said
    assert "1 claim lost to other schedulers." in said
    assert "1 task refused on machine 'm1': only cpu 1 was free by then, taken by scheduler 1" in said
    assert str(attempts[0].transaction.txn_id) in said


def test_named_alternatives() -> None:
    cell = MemoryCell(4_000, 4_000)
    config = SchedulerConfig(jobs_per_attempt=1, widen=False, alternatives_after_conflicts=1)
    first, second = (
        cell.scheduler(BatchScheduler, name=name, policy="first_fit", config=config)
        for name in ("s-1", "s-2")
    )
    job = cell.submit(9, detection=Detection.COARSE)
    for _ in range(2):
        attempt = second.begin(START)
        cell.submit()
        cell.run(first)
        second.finish(attempt, START)
    assert (
        "As 1 attempt in a row had lost to other schedulers, its claims named 1 machine that would do as well, "
        "and 0 went to one of them."
    ) in render(cell.store.explanation(job))


def test_share_of_an_attempt() -> None:
    cell = MemoryCell(90_000)
    job = cell.submit(50)
    cell.run(cell.scheduler(BatchScheduler, config=SchedulerConfig(max_slots_per_attempt=20)))
    assert render(cell.store.explanation(job)) == [
        "Attempt 1 (by s-1 with random_first_fit) placed 20 tasks and left 30 waiting.",
        "It was its turn for 20 tasks; the others follow.",
    ]


def test_when_it_is_tried_again_or_given_up() -> None:
    assert "It was put back to be tried again" in told(MemoryCell(500))
    cell = MemoryCell(500)
    job = cell.submit()
    scheduler = cell.scheduler(BatchScheduler, config=REFERENCE)
    for _ in range(101):
        cell.run(scheduler)
        cell.clock.advance(1.0)
    assert "It was given up after 101 attempts." in render(cell.store.explanation(job))


@pytest.mark.parametrize(
    ("dimension", "amount", "text"),
    [
        ("cpu_milli", 2_500, "cpu 2.5"),
        ("memory_bytes", 3 * 2**29, "memory 1.5 GiB"),
        ("disk_bytes", 10**9, "disk 953.7 MiB"),
        ("memory_bytes", 12, "memory 12 B"),
        ("licences", 3_000, "licences 3"),
        ("gpu", 500, "gpu 0.5"),
    ],
)
def test_amounts_as_people_write_them(dimension: str, amount: int, text: str) -> None:
    assert amount_text(dimension, amount) == text
