"""The conflict benchmark as processes, small: nothing here looks at how fast it was, or how well it was predicted."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from omegacell.bench.conflicts.figures import rivals, waits
from omegacell.bench.conflicts.plan import AS_WRITTEN, Load, Mix, Plan, checked, configured, mixes
from omegacell.bench.conflicts.predict import Pace, paces, predict
from omegacell.bench.conflicts.submitter import Submitted
from omegacell.bench.conflicts.watch import NOT_AGAIN, Tried, Watched
from omegacell.bench.sim.scenario import Scenario, parse, shipped
from omegacell.bench.throughput.cell import SCHEMA
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import CommitMode, Detection
from omegacell.embedded_postgres import EmbeddedPostgres
from omegacell.schedulers.metrics import Account
from tests.live.conftest import OMEGA, Command
from tests.live.schema import validate
from tests.processes import eventually

SMALL = (
    "--machines",
    "100",
    "--tasks-per-job",
    "4",
    "--task-seconds",
    "0.3",
    "--t-job",
    "0.02",
    "--t-task",
    "0",
)
MIX = Mix(schedulers=2, detection=Detection.COARSE, commit=CommitMode.GANG)


def schemas(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname = %s", (SCHEMA,))
        return [name for (name,) in found]


@pytest.fixture(scope="module")
def plot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conflicts") / "plot.png"


@pytest.fixture(scope="module")
def told(server: EmbeddedPostgres, plot: Path) -> dict[str, Any]:
    """Two schedulers, measured at all, so correct by the invariants and by the store's own counters."""
    command = Command(env={"OMEGA_DSN": server.dsn})
    modes = ("--detection", "coarse", "--commit", "incremental", "--schedulers", "2")
    said = command("bench", "conflicts", *modes, *SMALL, "--seconds", "0.7", "--plot", str(plot), "--json")
    assert said.code == 0, said.err
    assert schemas(server.dsn) == []
    return said.told


def test_command_says_in_json_what_was_measured_and_what_the_simulator_says(told: dict[str, Any]) -> None:
    validate("bench conflicts", told)
    assert [(one["detection"], one["schedulers"], one["sort"]) for one in told["results"]] == [
        ("coarse", 2, "batch")
    ]
    for result in told["results"]:
        assert set(result["simulated"]) < set(result["live"])
        for measured in (result["live"], result["simulated"]):
            assert measured["txn_success"]["median"] > 0
            assert measured["placements_per_s"]["median"] > 0
            assert 0 < measured["busyness"]["median"] <= 1
        for latency in ("commit_p50_ms", "commit_p99_ms", "sync_p50_ms", "age_p50_ms"):
            assert result["live"][latency]["median"] > 0


def test_plot_has_been_drawn(told: dict[str, Any], plot: Path) -> None:
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_interrupted_benchmark_leaves_neither_schema_nor_process(database: str) -> None:
    with subprocess.Popen(
        [OMEGA, "bench", "conflicts", "--schedulers", "1", *SMALL, "--seconds", "60"],
        env={**os.environ, "OMEGA_DSN": database},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            eventually(lambda: _placing(database), what="schedulers place")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        finally:
            process.kill()
    assert schemas(database) == []
    with psycopg.connect(database, autocommit=True) as connection:
        others = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        eventually(lambda: connection.execute(others).fetchall() == [(0,)], what="no process is connected")


def _placing(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        try:
            (row,) = connection.execute(
                f"SELECT count(*) FROM {SCHEMA}.scheduler WHERE kind = 'batch' AND placements > 0"
            ).fetchall()
        except psycopg.errors.UndefinedTable:
            return False
    return row != (0,)


# --- plans


def small(seconds: float = 2.0) -> Scenario:
    return Load(
        machines=50,
        fill=0.9,
        rate=20.0,
        tasks_per_job=4.0,
        task_seconds=0.5,
        think_job_seconds=0.1,
        think_task_seconds=0.0,
        policy="random_first_fit",
        retry="reference",
    ).scenario(seconds)


def test_time_scale_divides_every_time_of_a_scenario() -> None:
    hot = shipped("hot").model_copy(update={"runtime_seconds": 1000.0})
    mix = mixes([AS_WRITTEN], [Detection.COARSE], [CommitMode.GANG])[0]
    slow, fast = Plan(scenario=hot, mixes=(mix,)), Plan(scenario=hot, mixes=(mix,), time_scale=100.0)
    assert fast.seconds == 10.0
    before, after = slow.jobs(mix, 1), fast.jobs(mix, 1)
    np.testing.assert_allclose(after.submitted_at * 100, before.submitted_at)
    np.testing.assert_allclose(after.duration_seconds * 100, before.duration_seconds)
    assert {(shape.detection, shape.commit) for shape in after.shapes} == {(mix.detection, mix.commit)}
    batch = fast.live(mix).scheduler[0]
    assert (batch.think_job_seconds, batch.think_task_seconds) == pytest.approx((0.001, 0.00005))
    assert configured(batch).retry.conflict_seconds == pytest.approx(0.01)


def test_number_of_schedulers_is_of_the_first_sort() -> None:
    live = Plan(scenario=shipped("hot"), mixes=(MIX,)).live(MIX)
    assert [spec.count for spec in live.scheduler] == [2, 1]


def test_architecture_that_a_live_cell_does_not_have_is_refused() -> None:
    scenario = parse({**small().model_dump(), "architecture": "two_level"}, "a test")
    with pytest.raises(SpecInvalid, match="two_level, expected shared_state"):
        checked(Plan(scenario=scenario, mixes=(MIX,)))


def test_kind_of_task_with_two_queues_is_refused() -> None:
    (spec,) = small().scheduler
    both = (spec, spec.model_copy(update={"name": "other", "serves": ("batch",)}))
    with pytest.raises(SpecInvalid, match="'batch' are served by two"):
        checked(Plan(scenario=small().model_copy(update={"scheduler": both}), mixes=(MIX,)))


# --- predictions and measures


def test_slower_commits_are_predicted_to_conflict_more() -> None:
    plan = Plan(scenario=small(20.0), mixes=(MIX,))
    scenario, jobs = plan.live(MIX), plan.jobs(MIX, 1)
    quick, slow = (
        predict(scenario, jobs, {"batch": Pace(job=seconds, task=0.0, between=0.0)}, seeds=[1])[0]["batch"]
        for seconds in (-0.09, 0.1)
    )
    assert quick.failed / quick.succeeded < slow.failed / slow.succeeded


def test_one_scheduler_is_predicted_to_rest_between_attempts() -> None:
    plan = Plan(scenario=small(), mixes=(MIX,))
    mix = Mix(schedulers=1, detection=Detection.FINE, commit=CommitMode.INCREMENTAL)
    accounts = predict(
        plan.live(mix),
        plan.jobs(mix, 1),
        {"batch": Pace(job=0.0, task=0.0, between=0.1)},
        seeds=[1],
    )
    assert accounts[0]["batch"].attempts <= 10
    assert accounts[0]["batch"].failed == 0


def watched(
    name: str, *, synced: list[float], ended: list[float], placed: list[int], asked: Sequence[int] = ()
) -> Watched:
    times = np.array(ended)
    return Watched(
        name=name,
        sort="batch",
        until=math.inf,
        started=times,
        ended=times,
        done=times,
        begun=np.array(synced),
        synced=np.array(synced),
        sync_seconds=np.zeros(len(synced)),
        thought=np.zeros(len(synced)),
        jobs=np.ones(len(synced), dtype=np.int64),
        asked=np.array(asked or placed),
        slots=np.array(placed),
        tasks=np.array(placed),
        conflicted=np.zeros(len(synced), dtype=np.bool_),
        counted=Account(),
        whole=Account(),
        tried=(),
    )


def test_rivals_are_what_others_placed_while_the_snapshot_aged() -> None:
    mine = watched("a", synced=[0.0, 2.0], ended=[2.0, 4.0], placed=[1, 1])
    other = watched("b", synced=[0.0, 1.0, 3.0], ended=[1.0, 3.0, 3.5], placed=[1, 1, 0])
    assert rivals(mine, [mine, other]).tolist() == [1.0, 1.0]


def test_what_attempts_took_beyond_thinking_is_told_apart_by_job_and_task() -> None:
    one = watched("a", synced=[0.0, 1.0, 2.0], ended=[0.3, 1.5, 2.7], placed=[0, 0, 0], asked=[1, 2, 3])
    found = paces(small(), [one])["batch"]
    assert (found.job, found.task) == pytest.approx((0.1, 0.2))


def test_waits_are_time_in_the_queue_without_back_off() -> None:
    none, counts = np.zeros(1), np.zeros(1, dtype=np.int64)
    submitted = Submitted(
        started=none,
        ended=none,
        slots=counts,
        tasks=counts,
        conflicted=counts.astype(np.bool_),
        origin=0.0,
        job_id=np.array([7]),
        due=none,
    )
    tried = [
        Tried(job_id=7, begun_at=1.0, ended_at=2.0, again_at=3.0, placed=0),
        Tried(job_id=7, begun_at=3.5, ended_at=4.0, again_at=NOT_AGAIN, placed=1),
        Tried(job_id=7, begun_at=9.0, ended_at=11.0, again_at=NOT_AGAIN, placed=1),
    ]
    found = waits(tried, submitted, until=10.0)
    assert (found["wait_first_mean"], found["wait_full_mean"]) == (1.0, 1.5)
