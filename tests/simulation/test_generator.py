"""The workload generator gives the jobs of the reference simulator, one by one."""

from __future__ import annotations

import pytest

from omegacell.bench.sim.jobs import JobTable, TaskShape
from omegacell.bench.sim.workload.exponential import exponential
from omegacell.bench.sim.workload.java_random import JavaRandom
from omegacell.cellstate.model import Amounts


def a_day(seed: int, *, gap: float, tasks: float, duration: float) -> JobTable:
    """A day of the cell "clike"."""
    return exponential(
        TaskShape(kind="any", amounts=Amounts(cpu_milli=500)),
        gap_seconds=gap,
        tasks=tasks,
        duration_seconds=duration,
        runtime_seconds=86_400.0,
        seed=seed,
    )


def test_the_stream_is_that_of_java_util_random() -> None:
    assert JavaRandom(1001).doubles()[:3].tolist() == [
        0.7100953387610269,
        0.7443807462063827,
        0.5167166403399773,
    ]


def test_a_stream_goes_on_where_a_block_ends() -> None:
    random = JavaRandom(7)
    first, second = random.doubles(), random.doubles()
    assert len(set(first.tolist()) | set(second.tolist())) == len(first) + len(second)


def test_batch_jobs_are_those_published() -> None:
    jobs = a_day(1001, gap=4.0, tasks=30.0, duration=200.0)
    assert jobs.submitted_at[:3].tolist() == pytest.approx([1.369424152, 2.155012008, 9.029129243], rel=1e-9)
    assert jobs.tasks[:3].tolist() == [20, 64, 10]
    assert jobs.duration_seconds[:3].tolist() == pytest.approx(
        [59.04052388, 30.95205766, 136.4810096], rel=1e-9
    )
    assert (len(jobs), int(jobs.tasks.sum())) == (21_549, 655_798)


def test_service_jobs_are_those_published() -> None:
    jobs = a_day(1002, gap=40.0, tasks=20.0, duration=2_000.0)
    assert jobs.submitted_at[0] == pytest.approx(13.67910584, rel=1e-9)
    assert jobs.tasks[0] == 5
    assert jobs.duration_seconds[0] == pytest.approx(2889.987299, rel=1e-9)
    assert (len(jobs), int(jobs.tasks.sum())) == (2_077, 42_359)
