"""What the shorthand changes in a scenario, and what a run measures after its warm-up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from omegacell.bench.sim.options import checked
from omegacell.bench.sim.scenario import Scenario
from omegacell.cellstate.errors import PolicyError, SpecInvalid
from omegacell.cellstate.model import CommitMode, Detection
from omegacell.sim import scenario_of, simulate, vary


def varied(**options: Any) -> Scenario:
    """The hot cell with options."""
    return vary(scenario_of("hot"), checked(options))


def test_options_of_a_kind_change_its_schedulers_and_its_workload_only() -> None:
    hot, changed = (
        scenario_of("hot"),
        varied(
            service_t_job=10,
            service_t_task="20ms",
            batch_schedulers=4,
            batch_rate=8,
            service_policy="best_fit",
        ),
    )
    batch, service = changed.scheduler
    assert (batch.count, batch.think_job_seconds, batch.policy) == (4, 0.1, "random_first_fit")
    assert (service.count, service.think_job_seconds, service.think_task_seconds) == (1, 10.0, 0.02)
    assert service.policy == "best_fit"
    assert [workload.rate for workload in changed.workload] == [8.0, 1.0]
    assert changed.cell == hot.cell


def test_detection_and_commit_are_those_of_every_workload() -> None:
    changed = varied(detection="coarse", commit="gang")
    assert {(each.detection, each.commit) for each in changed.workload} == {
        (Detection.COARSE, CommitMode.GANG)
    }


def test_a_cell_that_grows_is_as_full_as_before() -> None:
    changed = varied(machines=500)
    assert changed.cell.machines == 500
    assert [filled.tasks for filled in changed.cell.filled] == [1200, 1200]


def test_every_option_changes_the_fingerprint_and_none_leaves_it() -> None:
    options = {
        "runtime": "1h",
        "warm_up": 60,
        "retry": "default",
        "offer_seconds": 2,
        "architecture": "two_level",
    }
    prints = {varied(**{name: value}).fingerprint for name, value in options.items()}
    assert len(prints | {scenario_of("hot").fingerprint}) == len(options) + 1
    assert varied().fingerprint == scenario_of("hot").fingerprint


def test_an_option_without_anything_to_act_on_is_refused() -> None:
    hot = scenario_of("hot")
    only_batch = hot.model_copy(update={"scheduler": hot.scheduler[:1], "workload": hot.workload[:1]})
    with pytest.raises(SpecInvalid, match="no scheduler that serves 'service'"):
        vary(only_batch, checked({"service_t_job": 1}))
    with pytest.raises(SpecInvalid, match="none; expected one of batch, service"):
        simulate(hot, policy={"gpu": "first_fit"})


def test_the_warm_up_is_cut_from_counts_waits_and_elapsed_time() -> None:
    whole = simulate("hot", runtime=600, machines=200, service_t_job=5).metrics
    first = simulate("hot", runtime=300, machines=200, service_t_job=5).metrics
    rest = simulate("hot", runtime=600, warm_up=300, machines=200, service_t_job=5).metrics
    for name in ("batch_jobs", "service_jobs", "bs_txn_success", "ss_txn_success"):
        assert rest[name] == whole[name] - first[name], name
    assert rest["bs_busyness"] == pytest.approx(2 * whole["bs_busyness"] - first["bs_busyness"])


def test_the_warm_up_is_cut_from_what_is_used() -> None:
    def used(runtime: float, warm_up: float) -> float:
        run = simulate("hot", machines=200, service_t_job=5, runtime=runtime, warm_up=warm_up)
        return run.metrics["avg_cpu_util"]

    assert used(600, 300) == pytest.approx(2 * used(600, 0) - used(300, 0))


def test_a_policy_may_be_named_for_one_scheduler() -> None:
    class Counting:
        asked = 0

        def score(self, request: Any, cell: Any, rows: Any) -> Any:
            Counting.asked += 1
            return np.zeros(len(rows))

    simulate("hot", runtime=120, machines=200, policy={"service": Counting})
    of_service, Counting.asked = Counting.asked, 0
    simulate("hot", runtime=120, machines=200, policy={"batch": Counting})
    assert 0 < of_service < Counting.asked


def test_a_policy_that_fails_ends_the_run_with_its_error() -> None:
    class Broken:
        def score(self, request: Any, cell: Any, rows: Any) -> Any:
            raise LookupError("no such column")

    with pytest.raises(PolicyError, match="LookupError: no such column"):
        simulate("hot", runtime=300, machines=200, policy=Broken)
