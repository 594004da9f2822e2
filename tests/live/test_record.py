"""omega record, and what it wrote replayed in virtual time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from omegacell.bench.record import history
from omegacell.bench.sim.machines import Cell, snapshot_of
from omegacell.sim import simulate
from tests.live.conftest import Command

SCENARIO = """
name = "again"
runtime_seconds = 600
[cell]
history = "past.jsonl"
[[scheduler]]
name = "batch"
[[workload]]
kind = "batch"
source = "history"
path = "past.jsonl"
"""


def test_what_a_cell_ran_runs_again_in_virtual_time(omega: Command, tmp_path: Path) -> None:
    jobs = [
        {
            "name": "many",
            "command": ["sleep", "0.2"],
            "count": 4,
            "key": "record-many",
            "resources": {"cpu": 0.1},
        },
        {"name": "one", "command": ["true"], "key": "record-one", "resources": {"cpu": 0.2}, "priority": 7},
    ]
    ids = omega("submit", "-", stdin=json.dumps(jobs)).out.split()
    assert omega("wait", *ids).code == 0
    out = tmp_path / "past.jsonl"
    told = omega("record", "--out", str(out), "--since", "1h", "--json").told
    found = history.read(out)
    assert told["jobs"] == len(found.jobs)
    assert told["tasks"] == sum(job.tasks for job in found.jobs)
    assert told["machines"] == len(found.machines) == len(omega("machines", "--json").told["machines"])
    many, one = found.jobs[-2:]
    assert (many.tasks, many.cpu_milli, one.tasks, one.cpu_milli, one.priority) == (4, 100, 1, 200, 7)
    assert many.duration_seconds == pytest.approx(0.2, abs=0.15)
    assert one.submitted_at == pytest.approx(many.submitted_at, abs=1.0)

    # Other tests' jobs are in the cell too, and some of them nobody can place.
    history.write(replace(found, jobs=(many, one)), out)
    scenario = tmp_path / "again.toml"
    scenario.write_text(SCENARIO)
    again = simulate(scenario, seed=1).metrics
    assert again["batch_jobs"] == again["batch_jobs_fully_scheduled"] == 2
    machines = snapshot_of(Cell(history=Path("past.jsonl")), tmp_path)
    assert list(machines.names) == [machine.name for machine in found.machines]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "/nowhere/past.jsonl"), "--out /nowhere/past.jsonl cannot be written"),
        (("--out", "past.jsonl", "--since", "soon"), "--since='soon'"),
    ],
)
def test_what_cannot_be_recorded_is_said_in_a_sentence(
    words: tuple[str, ...], said: str, omega: Command
) -> None:
    done = omega("record", *words)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
