"""The commit benchmark as processes, small: nothing here looks at how fast it was."""

from __future__ import annotations

import os
import signal
import subprocess

import psycopg
import pytest

from omegacell.bench.throughput.cell import SCHEMA, BenchCell
from omegacell.bench.throughput.commit import CommitReport, measure
from omegacell.bench.throughput.features import TASKS_OF_RANGE
from omegacell.bench.throughput.plan import Combination, Feature, Plan, combinations
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import CommitMode, Detection
from omegacell.cli import failing
from omegacell.embedded_postgres import EmbeddedPostgres
from tests.live.conftest import OMEGA, Command
from tests.live.schema import validate
from tests.processes import eventually

_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)


COMPETING = combinations(
    claims=[4],
    schedulers=[2],
    detections=[Detection.COARSE],
    commits=list(CommitMode),
    features=[Feature.NONE],
)


def plan(*chosen: Combination, machines: int) -> Plan:
    return Plan(combinations=chosen, machines=machines, placements=24, repeat=1, seed=1, raw_sessions=(1, 2))


def schemas(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname = %s", (SCHEMA,))
        return [name for (name,) in found]


def figures(report: CommitReport, combination: Combination) -> dict[str, float]:
    (result,) = (one for one in report.results if one.combination == combination)
    return {name: spread.median for name, spread in result.figures.items()}


@pytest.fixture(scope="module")
def report(server: EmbeddedPostgres) -> CommitReport:
    """Two schedulers with each feature, and as rivals in every mode: measured at all, so correct."""
    each = [Combination(claims=4, schedulers=2, feature=feature) for feature in Feature]
    found = measure(server.dsn, plan(*each, *COMPETING, machines=10), lambda _: None)
    assert schemas(server.dsn) == []
    return found


@pytest.mark.parametrize("feature", list(Feature))
def test_two_schedulers_place_everything_with_each_feature(report: CommitReport, feature: Feature) -> None:
    found = figures(report, Combination(claims=4, schedulers=2, feature=feature))
    assert found.pop("conflict_fraction") == 0
    assert min(found.values()) > 0
    tasks = found["tasks_per_s"] / found["placements_per_s"]
    assert tasks == pytest.approx(TASKS_OF_RANGE if feature is Feature.RANGES else 1)


@pytest.mark.parametrize("combination", COMPETING, ids=str)
def test_rivals_under_coarse_detection_place_everything_in_every_mode(
    report: CommitReport, combination: Combination
) -> None:
    found = figures(report, combination)
    assert found["conflict_fraction"] >= 0
    assert found["placements_per_s"] > 0


def test_ceiling_is_the_best_of_all_raw_sessions(report: CommitReport) -> None:
    assert [(one.claims, one.sessions) for one in report.ceilings] == [(4, 1), (4, 2)]
    for result in report.results:
        assert result.figures["ceiling_per_s"].median == max(
            one.guarded_per_s.median for one in report.ceilings
        )


def test_command_says_in_json_what_was_measured(database: str) -> None:
    command = Command(env={"OMEGA_DSN": database})
    words = ("--claims", "2", "--machines", "1", "--placements", "10", "--repeat", "2", "--json")
    told = command("bench", "commit", *words).told
    validate("bench commit", told)
    (result,) = told["results"]
    assert (result["claims"], result["feature"], result["relative_to_none"]["min"]) == (2, "none", 1.0)
    assert result["placements_per_s"]["min"] <= result["placements_per_s"]["max"]
    assert {"fsync", "synchronous_commit"} <= set(told["durability"])
    assert len(told["host"]["load_average"]) == 3


def test_command_without_its_server_fails_as_every_command_does() -> None:
    said = Command(env={"OMEGA_DSN": "postgresql://127.0.0.1:1/none"})("bench", "commit")
    assert (said.code, said.out) == (failing.UNAVAILABLE, "")
    assert "127.0.0.1:1/none cannot be reached" in said.err


def test_more_placements_than_the_machines_hold_are_refused_before_anything_is_made(database: str) -> None:
    with pytest.raises(SpecInvalid, match=r"on 1 machines, expected at most 20; raise --machines"):
        measure(database, plan(Combination(claims=10, feature=Feature.DEVICES), machines=1), lambda _: None)
    assert schemas(database) == []


def test_second_benchmark_on_the_same_server_is_refused_and_disturbs_nothing(database: str) -> None:
    with BenchCell.open(database) as cell:
        cell.renew(Feature.NONE, machines=1, slots=0)
        with pytest.raises(SpecInvalid, match="in use by another benchmark"), BenchCell.open(database):
            pass
        assert schemas(database) == [SCHEMA]


def test_interrupted_benchmark_leaves_neither_schema_nor_process(database: str) -> None:
    with subprocess.Popen(
        [OMEGA, "bench", "commit", "--claims", "1", "--repeat", "1000", "--machines", "1"],
        env={**os.environ, "OMEGA_DSN": database},
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            eventually(lambda: schemas(database) == [SCHEMA], what="it has begun")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        finally:
            process.kill()
    assert schemas(database) == []
    with psycopg.connect(database, autocommit=True) as connection:
        eventually(lambda: connection.execute(_OTHERS).fetchall() == [(0,)], what="no process is connected")
