"""Sweeps: what a researcher does in a notebook, and what becomes of one that is interrupted."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omegacell.bench.sim import run as running
from omegacell.bench.sim.intervals import half_width, t_95
from omegacell.bench.sim.plot import plot
from omegacell.cellstate.errors import OmegaError, PolicyError, SpecInvalid
from omegacell.sim import METRICS, compare, read, simulate, summary, sweep
from tests.processes import eventually

SMALL: dict[str, Any] = {"machines": 200, "runtime": 60, "progress": False}

CELL_OF_A_NOTEBOOK = '''
import numpy as np

class Emptiest:
    """The machines with most CPU free."""
    def score(self, request, cell, rows):
        return cell.free("cpu_milli")[rows].astype(float)

class Late(Emptiest):
    def score(self, request, cell, rows):
        return super().score(request, cell, rows[::-1])[::-1] + np.arange(len(rows))
'''


def defined_in_a_notebook(name: str) -> Any:
    """A class as a notebook has it: in a module that no other process can import."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(CELL_OF_A_NOTEBOOK, namespace)
    return namespace[name]


def test_a_researchers_path(tmp_path: Path) -> None:
    policies = {
        "random": "random_first_fit",
        "emptiest": defined_in_a_notebook("Emptiest"),
        "late": defined_in_a_notebook("Late")(),
    }
    frame = sweep(
        "hot", over={"policy": policies, "service_t_job": [0.1, 1, 5, 20]}, seeds=5, processes=2, **SMALL
    )

    assert list(frame.columns) == ["policy", "service_t_job", "seed", *METRICS]
    assert len(frame) == 3 * 4 * 5
    assert frame["policy"].tolist() == [name for name in policies for _ in range(20)]
    assert frame["seed"].tolist() == [1, 2, 3, 4, 5] * 12
    assert (frame.groupby("seed")["batch_jobs"].nunique() == 1).all(), (
        "the jobs of a seed are alike everywhere"
    )
    means = summary(frame, metrics=["ss_busyness"]).set_index(["policy", "service_t_job"])
    assert (means.xs(20, level="service_t_job")["mean"] > means.xs(1, level="service_t_job")["mean"]).all()
    assert (means["n"] == 5).all()

    row = frame[(frame.policy == "random") & (frame.service_t_job == 20) & (frame.seed == 4)].iloc[0]
    alone = simulate("hot", seed=4, service_t_job=20, machines=200, runtime=60).metrics
    assert {name: row[name] for name in METRICS} == pytest.approx(dict(alone), nan_ok=True)

    plot(frame, tmp_path / "busyness.png", x="service_t_job", y="ss_busyness")
    assert (tmp_path / "busyness.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["points.csv", "points.parquet", "folder"])
def test_a_sweep_that_was_interrupted_runs_only_what_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / name
    over: dict[str, list[Any]] = {"service_t_job": [1, 5], "detection": ["fine", "coarse"]}
    whole = sweep("hot", over=over, seeds=2, processes=1, out=out, **SMALL)
    journal = next(tmp_path.rglob("*points.jsonl"))
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 8
    journal.write_bytes(b"".join(lines[:6]) + lines[6][:20])  # killed while it wrote the sixth row

    ran = _counted(monkeypatch)
    again = sweep("hot", over=over, seeds=2, processes=1, out=out, **SMALL)
    assert len(ran) == 3
    assert again.equals(whole)
    assert journal.read_bytes().splitlines(keepends=True)[:6] == lines[:6]

    wider = sweep("hot", over=over, seeds=3, processes=1, out=out, **SMALL)
    assert len(ran) == 3 + 4, "one more seed, at every point"
    assert len(wider) == 12


@pytest.mark.parametrize("name", ["points.csv", "points.parquet"])
def test_a_file_says_what_it_is_of_and_reads_back_alike(name: str, tmp_path: Path) -> None:
    frame = sweep("hot", over={"service_t_job": [1, 5]}, seeds=2, processes=1, out=tmp_path / name, **SMALL)
    found = read(tmp_path / name)
    assert found.attrs == frame.attrs
    assert {"omegacell_version", "numpy_version", "scenario", "fingerprint", "over"} <= set(found.attrs)
    assert found.columns.equals(frame.columns)
    assert (found["ss_busyness"] == frame["ss_busyness"]).all()


def test_another_sweep_into_the_same_file_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "points.csv"
    sweep("hot", over={"service_t_job": [1]}, seeds=1, out=out, **SMALL)
    with pytest.raises(SpecInvalid, match="another sweep: its fingerprint"):
        sweep("hot", over={"service_t_job": [1]}, seeds=1, out=out, **SMALL | {"runtime": 30})
    with pytest.raises(SpecInvalid, match="another sweep: its over"):
        sweep("hot", over={"batch_t_job": [1]}, seeds=1, out=out, **SMALL)
    (tmp_path / "points.csv.points.jsonl").unlink()
    with pytest.raises(SpecInvalid, match="there already"):
        sweep("hot", over={"service_t_job": [1]}, seeds=1, out=out, **SMALL)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_names_its_point_and_keeps_what_was_finished(processes: int, tmp_path: Path) -> None:
    class Broken:
        def score(self, request: Any, cell: Any, rows: Any) -> Any:
            return 1 / 0

    policies = {"good": "first_fit", "broken": Broken}
    with pytest.raises(PolicyError, match=r"sweep point policy=broken, seed=1: .*ZeroDivisionError"):
        sweep("hot", over={"policy": policies}, seeds=1, processes=processes, out=tmp_path, **SMALL)
    lines = (tmp_path / "points.jsonl").read_text().splitlines()
    assert [json.loads(line)["policy"] for line in lines[1:]] in (["good"], [])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"over": {"service_tjob": [1]}}, "service_t_job"),
        ({"over": {"detection": ["fine", "rough"]}}, "rough"),
        ({"over": {"service_t_job": 1}}, "a list of values"),
        ({"over": {"service_t_job": []}}, "no values"),
        ({"over": {"service_t_job": [1]}, "service_t_job": 2}, "both swept over and given"),
        ({"over": {"service_t_job": [1]}, "seeds": 0}, "seeds=0"),
        ({"over": {"service_t_job": [1]}, "seeds": [1, 1]}, "twice"),
        ({"over": {"policy": [{"batch": "first_fit"}]}}, "no name"),
        ({"over": {"service_t_job": [1]}, "out": "points.xlsx"}, r"\.parquet or \.csv"),
        ({"over": {"service_t_job": [1]}, "warm_up": 120}, "leaves nothing"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(OmegaError, match=told):
        sweep("hot", **{**SMALL, **wrong})


def test_a_script_without_a_guard_may_sweep_and_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from omegacell.sim import sweep\n"
        "class Mine:\n"
        "    def score(self, request, cell, rows):\n"
        "        return cell.free('cpu_milli')[rows].astype(float)\n"
        "print('once')\n"
        "sweep('hot', over={'policy': [Mine]}, seeds=2000, machines=100, runtime=60, out='o', processes=2)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        journal = tmp_path / "o" / "points.jsonl"
        eventually(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2)
        running.send_signal(signal.SIGINT)
        said, told = running.communicate(timeout=30)
    assert said == "once\n"
    assert "KeyboardInterrupt" in told
    others = subprocess.run(
        ["ps", "-s", str(running.pid), "-o", "pid="], capture_output=True, text=True, check=False
    )
    assert others.stdout.split() == []


def test_the_difference_to_a_baseline_is_taken_seed_by_seed() -> None:
    frame = sweep(
        "hot", over={"service_t_job": [1, 5], "detection": ["fine", "coarse"]}, seeds=3, processes=1, **SMALL
    )
    found = compare(frame, "detection", metric="ss_busyness")
    by_hand = [
        frame[(frame.service_t_job == t_job) & (frame.detection == detection)]["ss_busyness"].to_numpy()
        for t_job in (1, 5)
        for detection in ("coarse", "fine")
    ]
    assert found["detection"].tolist() == ["coarse", "coarse"]
    assert found["mean"].tolist() == pytest.approx(
        [(by_hand[0] - by_hand[1]).mean(), (by_hand[2] - by_hand[3]).mean()]
    )


def test_the_interval_is_students() -> None:
    assert t_95(1) == pytest.approx(12.706, abs=0.001)
    assert t_95(30) == pytest.approx(2.042, abs=0.001)
    assert t_95(40) == pytest.approx(2.021, abs=0.001)
    assert t_95(120) == pytest.approx(1.980, abs=0.001)
    assert half_width(2.0, 4) == pytest.approx(3.182, abs=0.001)
    assert math.isnan(half_width(float("nan"), 1))


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of the runs from now on."""
    ran: list[int] = []

    def counted(scenario: Any, *, seed: int, policies: Any) -> Any:
        ran.append(seed)
        return running.run(scenario, seed=seed, policies=policies)

    monkeypatch.setattr("omegacell.bench.sim.pool.run", counted)
    return ran
