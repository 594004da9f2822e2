"""joblib's Parallel over a cell, and scikit-learn over that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

import omegacell.joblib
from omegacell.cellstate.model import JobState
from tests.processes import eventually
from tests.unit.executor.conftest import MACHINE_CPUS, LivingCell


@pytest.fixture(autouse=True)
def over_the_cell(cell: LivingCell) -> Iterator[None]:
    with joblib.parallel_config(backend="omegacell", cell=cell):
        yield


def delayed(function: Any, *args: Any, **kwargs: Any) -> Any:
    return joblib.delayed(function)(*args, **kwargs)


def fail(number: int) -> int:
    if number == 3:
        raise ValueError(f"no {number}")
    return number


def test_results_come_in_order(cell: LivingCell) -> None:
    assert joblib.Parallel()(delayed(pow, number, 2) for number in range(50)) == [n * n for n in range(50)]
    job = cell.jobs()[0]
    assert job.name == "joblib"
    assert cell.job(job.job_id).wait(20).state is JobState.SUCCEEDED


def test_all_of_the_cell_is_as_many_jobs_as_its_cpus_hold(cell: LivingCell) -> None:
    assert joblib.effective_n_jobs(-1) == MACHINE_CPUS
    assert joblib.effective_n_jobs(-2) == MACHINE_CPUS - 1
    assert joblib.effective_n_jobs(2) == 2
    with joblib.parallel_config(backend="omegacell", cell=cell, resources={"cpu": 1.5}):
        assert joblib.effective_n_jobs(-1) == 2
    with pytest.raises(ValueError, match="n_jobs == 0"):
        joblib.effective_n_jobs(0)


def test_one_job_at_a_time_runs_here(cell: LivingCell) -> None:
    assert joblib.Parallel(n_jobs=1)([delayed(os.getpid)]) == [os.getpid()]
    assert joblib.Parallel(n_jobs=2)([delayed(os.getpid)]) != [os.getpid()]


def test_an_exception_ends_the_call_and_its_job(cell: LivingCell) -> None:
    with pytest.raises(ValueError, match="no 3"):
        joblib.Parallel()(delayed(fail, number) for number in range(1000))
    eventually(lambda: cell.jobs()[0].state.final)
    assert joblib.Parallel()(delayed(fail, number) for number in range(3)) == [0, 1, 2]


def test_results_may_be_taken_as_they_come(cell: LivingCell) -> None:
    calls = (delayed(pow, number, 2) for number in range(20))
    assert list(joblib.Parallel(return_as="generator")(calls)) == [n * n for n in range(20)]
    calls = (delayed(pow, number, 2) for number in range(20))
    assert sorted(joblib.Parallel(return_as="generator_unordered")(calls)) == [n * n for n in range(20)]


def test_a_managed_parallel_is_used_again(cell: LivingCell) -> None:
    with joblib.Parallel(n_jobs=2) as parallel:
        for _ in range(3):
            assert parallel(delayed(abs, -number) for number in range(5)) == list(range(5))


def _nested(numbers: int) -> tuple[list[int], str, set[int]]:
    inner = joblib.Parallel(n_jobs=-1)(joblib.delayed(os.getpid)() for _ in range(numbers))
    return [joblib.effective_n_jobs(-1), joblib.cpu_count()], os.environ["OMP_NUM_THREADS"], set(inner)


def test_what_is_nested_keeps_to_the_cpus_of_its_task(cell: LivingCell) -> None:
    found = joblib.Parallel(n_jobs=2)(delayed(_nested, 3) for _ in range(2))
    for jobs, threads, processes in found:
        assert (jobs, threads, len(processes)) == ([1, 1], "1", 1)


def test_threads_of_numerical_libraries_can_be_chosen(cell: LivingCell) -> None:
    with joblib.parallel_config(backend="omegacell", cell=cell, inner_max_num_threads=3):
        assert joblib.Parallel(n_jobs=2)([delayed(os.getenv, "OMP_NUM_THREADS")]) == ["3"]


def test_a_large_array_travels_once_for_all_tasks(cell: LivingCell, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    append = cell.store.append

    def note_and_append(job_id: int, first_index: int, inputs: Any) -> int:
        sent.extend(inputs)
        return append(job_id, first_index, inputs)

    monkeypatch.setattr(cell.store, "append", note_and_append)
    numbers = np.arange(100_000)
    calls = (delayed(np.dot, numbers, np.full(1, number)[0]) for number in range(30))
    sums = [int(found.sum()) for found in joblib.Parallel(n_jobs=2, batch_size=1)(calls)]
    assert sums == [int(numbers.sum()) * number for number in range(30)]
    assert sent
    assert max(map(len, sent)) < 10_000


def test_scikit_learn_searches_a_grid(cell: LivingCell) -> None:
    features, classes = make_classification(n_samples=200, random_state=1)
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 0.1, 1.0]}, cv=3, n_jobs=-1)
    search.fit(features, classes)
    assert search.best_score_ > 0.5
    assert cell.jobs()[0].name == "joblib"


def test_the_back_end_has_its_name() -> None:
    assert isinstance(joblib.parallel.get_active_backend()[0], omegacell.joblib.OmegaBackend)
