"""Generated workloads: the reference's, exactly and fast, and draws from measured distributions."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import pytest

from omegacell.bench.sim.jobs import TaskShape
from omegacell.bench.sim.workload.exponential import exponential
from omegacell.bench.sim.workload.java_random import JavaRandom
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts, CommitMode, Detection
from tests.simulation.workloads import DATA, Words, jobs, rows, shapes

SHAPE = TaskShape(kind="any", amounts=Amounts())
EMPIRICAL: Words = {"source": "empirical", "gap_seconds": 1, "tasks": 1, "duration_seconds": 1, "cpu": 1}


def one_by_one(seed: int, runtime: float) -> Iterator[tuple[float, int, float]]:
    """The generator as it is described: a loop over single draws."""
    doubles = JavaRandom(seed)
    draws = (math.log(one) for _ in iter(int, 1) for one in doubles.doubles().tolist())
    at = -4.0 * next(draws)
    while at < runtime:
        duration, tasks = -200.0 * next(draws), math.ceil(-30.0 * next(draws))
        yield at, tasks, duration
        at += -4.0 * next(draws)


@pytest.mark.parametrize("runtime", [0.0, 10.0, 20_000.0, 86_400.0])
def test_blocks_of_draws_give_the_same_jobs_as_single_draws_to_the_last_bit(runtime: float) -> None:
    table = exponential(
        SHAPE, gap_seconds=4.0, tasks=30.0, duration_seconds=200.0, runtime_seconds=runtime, seed=1001
    )
    assert rows(table) == list(one_by_one(1001, runtime))


def test_a_day_at_eight_times_the_rate_takes_a_fraction_of_a_second() -> None:
    began = time.process_time()
    table = exponential(
        SHAPE,
        gap_seconds=4.0,
        tasks=30.0,
        duration_seconds=200.0,
        runtime_seconds=86_400.0,
        seed=1001,
        rate=8.0,
    )
    assert len(table) == 173_063
    assert time.process_time() - began < 1.0  # 0.12 s alone on its core


def test_the_words_of_a_scenario_reach_the_shape() -> None:
    words: Words = {
        "source": "exponential",
        "stream": 1,
        "gap_seconds": 4,
        "tasks": 30,
        "duration_seconds": 20,
    }
    asked: Words = {
        "detection": "coarse",
        "commit": "gang",
        "priority": 7,
        "cpu": 0.5,
        "memory": "1GB",
        "gpu": 0.25,
    }
    (shape,) = jobs(runtime=100.0, **words, **asked).shapes
    assert shape.amounts == Amounts(cpu_milli=500, memory_bytes=10**9, gpu_milli=250)
    assert (shape.detection, shape.commit, shape.priority) == (Detection.COARSE, CommitMode.GANG, 7)


def test_an_empirical_workload_draws_only_what_was_measured_and_as_often() -> None:
    table = jobs(
        runtime=20_000.0,
        **EMPIRICAL
        | {
            "gap_seconds": {"csv": "measured.csv", "column": "gap", "weight": "often"},
            "tasks": {"csv": "measured.csv", "column": "tasks"},
            "duration_seconds": {"values": ["1m", 5], "weights": [1, 3]},
            "cpu": [0.5, 2],
            "memory": [0, "1GiB"],
        },
    )
    gaps = np.diff(table.submitted_at)
    assert set(np.round(gaps, 6).tolist()) == {1.5, 2.0}  # 500ms has no weight
    assert gaps.mean() == pytest.approx(1.625, abs=0.01)
    assert set(table.tasks.tolist()) == {1, 4, 16}
    assert np.mean(table.duration_seconds == 60.0) == pytest.approx(0.25, abs=0.02)
    assert {(one.amounts.cpu_milli, one.amounts.memory_bytes) for one in table.shapes} == {
        (cpu, memory) for cpu in (500, 2000) for memory in (0, 2**30)
    }
    assert np.mean(np.array([one.amounts.cpu_milli for one in shapes(table)]) == 2000) == pytest.approx(
        0.5, abs=0.02
    )


def test_interpolated_draws_lie_between_the_measured_values() -> None:
    table = jobs(runtime=5_000.0, **EMPIRICAL | {"duration_seconds": [10, 20, 40], "interpolate": True})
    assert table.duration_seconds.min() >= 10.0
    assert table.duration_seconds.max() <= 40.0
    assert np.median(table.duration_seconds) == pytest.approx(20.0, abs=0.5)


def test_quantities_are_drawn_independently_of_each_other() -> None:
    one = jobs(runtime=100.0, **EMPIRICAL | {"tasks": [1, 2, 3], "duration_seconds": [1, 2]})
    other = jobs(runtime=100.0, **EMPIRICAL | {"tasks": [1, 2, 3], "duration_seconds": [7]})
    assert one.tasks.tolist() == other.tasks.tolist()


def test_an_empirical_workload_is_its_seed_s_and_its_stream_s() -> None:
    words = EMPIRICAL | {"tasks": list(range(1, 50))}
    assert rows(jobs(runtime=100.0, **words)) == rows(jobs(runtime=100.0, **words))
    assert rows(jobs(runtime=100.0, **words)) != rows(jobs(runtime=100.0, seed=2, **words))
    assert rows(jobs(runtime=100.0, **words)) != rows(jobs(runtime=100.0, stream=2, **words))


def test_a_rate_of_two_halves_the_gaps() -> None:
    assert len(jobs(runtime=100.0, **EMPIRICAL | {"rate": 2.0})) == 199


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"tasks": {"csv": "measured.csv", "column": "gap"}},
            r"measured\.csv, line 3: gap='2s' is no number",
        ),
        ({"tasks": {"csv": "measured.csv", "column": "size"}}, r"measured\.csv, line 1: no column size"),
        ({"cpu": [1, "many"]}, "cpu='many' is no number of CPUs"),
        ({"tasks": [0]}, "tasks=0.0 is no number of tasks; expected 1 or more"),
        ({"gap_seconds": [0]}, "expected longer gaps"),
        ({"gap_seconds": {"csv": "nothing.csv", "column": "gap"}}, r"nothing\.csv cannot be read: No such"),
    ],
)
def test_a_distribution_that_is_none_is_named(
    words: Words, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omegacell.bench.sim.workload.empirical.JOBS_AT_MOST", 10_000)
    with pytest.raises(SpecInvalid, match=said):
        jobs(runtime=100.0, **EMPIRICAL | words)


def test_the_data_of_these_tests_are_small() -> None:
    assert sum(file.stat().st_size for file in DATA.iterdir()) < 100_000
