"""`omega simulate` and `omega sweep`, as people and programs use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omegacell.cli.app import run
from omegacell.sim import METRICS, Architecture, read, simulate
from tests.live.schema import validate

SMALL = ("--cell", "hot", "--machines", "200", "--runtime", "120")

OF_THE_REFERENCE = [
    "bs_conflict_fraction",
    "bs_txn_success",
    "bs_txn_failed",
    "bs_task_conflict_fraction",
    "bs_busyness",
    "bs_busyness_wasted",
    "ss_conflict_fraction",
    "ss_txn_success",
    "ss_txn_failed",
    "ss_task_conflict_fraction",
    "ss_busyness",
    "ss_busyness_wasted",
    "ss_no_resources_attempts",
    "ms_busyness",
    "batch_wait_first_mean",
    "batch_wait_full_mean",
    "batch_wait_full_p90",
    "service_wait_first_mean",
    "service_wait_full_mean",
    "service_wait_full_p90",
    "batch_jobs",
    "batch_jobs_fully_scheduled",
    "batch_jobs_partially_scheduled",
    "service_jobs",
    "service_jobs_fully_scheduled",
    "service_jobs_partially_scheduled",
    "batch_sched_attempts_total",
    "service_sched_attempts_total",
    "avg_cpu_util",
    "avg_mem_util",
    "avg_cpu_locked",
]
"""The columns of the published simulator's results, less _mean and _sd."""


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The JSON of a command that succeeds."""
    assert run([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("architecture", Architecture)
def test_json_has_the_metrics_of_the_reference_and_is_as_its_schema_says(
    architecture: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, "simulate", *SMALL, "--architecture", architecture, "--service-t-job", "10")
    validate("simulate", found)
    assert set(OF_THE_REFERENCE) <= set(METRICS) <= set(found)
    assert found["schema_version"] == 1
    assert (found["scenario"], found["seed"], found["architecture"]) == ("hot", 1, architecture)
    assert found["batch_jobs"] > 0
    alone = architecture in (Architecture.MONOLITHIC_SINGLE, Architecture.MONOLITHIC_MULTI)
    assert (found["ms_busyness"] is None) is not alone
    assert (found["ss_busyness"] is None) is alone


def test_the_same_seed_writes_the_same_trace_whatever_the_hash_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", *SMALL, "--batch-schedulers", "2", "--seed", "7", "--trace"]
    assert run([*words, str(tmp_path / "here")]) == 0
    code = (
        f"from omegacell.cli.app import run; run({[*words, 'there']}); import sys; print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
    time, scheduler, job, claimed, accepted, conflicts = (tmp_path / "here").read_text().split()[:6]
    assert float(time) > 0
    assert scheduler.startswith("batch-")
    assert (int(job), int(claimed), int(conflicts)) == (1, int(accepted), 0)

    imported = done.stdout.splitlines()[-1]
    for heavy in ("pandas", "pyarrow", "matplotlib", "ray", "psycopg", "sqlalchemy", "cloudpickle"):
        assert f"'{heavy}'" not in imported, f"omega simulate imports {heavy}"


def test_several_seeds_are_told_as_means_with_deviations(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omegacell.bench.sim.pool.cores", lambda: 1)
    both = told(capsys, "simulate", *SMALL, "--seeds", "2")
    validate("simulate", both)
    jobs = [simulate("hot", seed=seed, machines=200, runtime=120).metrics["batch_jobs"] for seed in (1, 2)]
    assert both["seeds"] == [1, 2]
    assert both["batch_jobs"] == sum(jobs) / 2
    assert both["deviations"]["batch_jobs"] == pytest.approx(abs(jobs[0] - jobs[1]) / 2**0.5)
    assert [record["seed"] for record in both["schedulers"]] == [1, 1, 2, 2]


def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", *SMALL, "--service-t-job", "10"]) == 0
    said = capsys.readouterr().out
    for word in (
        "shared_state",
        "200 machines",
        "conflict fraction",
        "busyness",
        "wait first s",
        "abandoned",
    ):
        assert word in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--detection", "rough"), "'fine' or 'coarse'"),
        (("--architecture", "flat"), "shared_state"),
        (("--cell", "warm"), "clike, example, hot"),
        (("missing.toml",), "cannot be read"),
        (("missing.toml", "--cell", "hot"), "leave one of them out"),
        (("--runtime", "soon"), "no duration"),
        (("--machines", "0"), "expected at least 1"),
        (("--policy", "luck"), "random_first_fit"),
        (("--warm-up", "2d"), "shorter"),
        (("--trace", "missing/file", "--runtime", "1"), "cannot be written"),
        (("--trace", "file", "--seeds", "2"), "leave out --seeds"),
        (("--service-tjob", "1"), "--service-t-job"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert expected in said.err


def test_a_scenario_file_of_ones_own_is_run_and_varied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib.resources import files

    ours = (files("omegacell.bench") / "scenarios" / "hot.toml").read_text()
    (tmp_path / "mine.toml").write_text(ours.replace('name = "hot"', 'name = "mine"'))
    mine = told(capsys, "simulate", str(tmp_path / "mine.toml"), *SMALL[2:])
    hot = told(capsys, "simulate", *SMALL)
    assert mine["scenario"] == "mine"
    assert mine["fingerprint"] != hot["fingerprint"]
    assert [mine[name] for name in METRICS] == [hot[name] for name in METRICS]


def test_a_sweep_leaves_a_file_a_plot_and_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, picture = tmp_path / "points.csv", tmp_path / "points.png"
    axes = ("--over", "service_t_job=1,5", "--over", "detection=fine,coarse")
    found = told(
        capsys, "sweep", *SMALL, *axes, "--seeds", "1", "--processes", "1",
        "--out", str(out), "--plot", str(picture), "--x", "service_t_job", "--y", "ss_busyness",
    )  # fmt: skip
    validate("sweep", found)
    assert [(row["service_t_job"], row["detection"]) for row in found["rows"]] == [
        (1, "fine"), (1, "coarse"), (5, "fine"), (5, "coarse"),
    ]  # fmt: skip
    assert len(read(out)) == 4
    assert picture.stat().st_size > 10_000

    assert run(["sweep", *SMALL, *axes, "--seeds", "1", "--out", str(out), "--metric", "ss_busyness"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split() == ["service_t_job", "detection", "ss_busyness"]
    assert "sweep: 4 of 4" in said.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--over", "service_t_job"), "NAME=VALUE"),
        (("--over", "runtime=1,2", "--x", "detection"), "not swept over"),
        (("--over", "runtime=1,2", "--y", "luck"), "unknown"),
        (("--over", "machines=a,b"), "machines='a'"),
        ((), "--over"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_in_one_line(
    words: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", *words]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert expected in said.err
