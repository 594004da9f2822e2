"""Scenarios on traces and on machines of files, from the TOML to the metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from omegacell.bench.sim.machines import Cell, snapshot_of
from omegacell.cellstate.errors import SpecInvalid
from omegacell.sim import simulate
from tests.simulation.workloads import DATA, jobs

SCENARIO = """
name = "replayed"
runtime_seconds = {runtime}
[cell]
{cell}
[[scheduler]]
name = "batch"
[[workload]]
kind = "batch"
{workload}
"""
PLENTY = 'machines = 50\ncpu = 128\nmemory = "1TB"'
RELATIVE = 'machine_cpu = 16\nmachine_memory = "64GiB"'

SOURCES = {
    "openb": (
        f'openb = "{DATA}/openb_nodes.csv"',
        f'source = "openb"\npods = "{DATA}/openb_pods.csv"\nmode = "steady"',
        2.0e7,
        20,
    ),
    "swf": (PLENTY, f'source = "swf"\npath = "{DATA}/log.swf"', 1000.0, 5),
    "reference's initial state": (
        PLENTY,
        f'source = "reference_trace"\ninitial = "{DATA}/initial_state.log"',
        1000.0,
        3,
    ),
    "google2011": (
        PLENTY,
        f'source = "google2011"\ntask_events = "{DATA}/google2011_task_events.csv"\n{RELATIVE}',
        2000.0,
        3,
    ),
    "google2019": (
        PLENTY,
        f'source = "google2019"\ninstance_events = "{DATA}/google2019_instance_events.csv"\n{RELATIVE}',
        2000.0,
        2,
    ),
    "history": (
        f'history = "{DATA}/history.jsonl"',
        f'source = "history"\npath = "{DATA}/history.jsonl"',
        1000.0,
        2,
    ),
    "empirical": (
        PLENTY,
        'source = "empirical"\ngap_seconds = 10\ntasks = [1, 2, 3]\nduration_seconds = [5, 60]\ncpu = 0.5',
        1000.0,
        99,
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_runs_from_a_scenario_file(source: str, tmp_path: Path) -> None:
    cell, workload, runtime, expected = SOURCES[source]
    file = tmp_path / "replayed.toml"
    file.write_text(SCENARIO.format(cell=cell, workload=workload, runtime=runtime))
    found = simulate(file, seed=1).metrics
    assert found["batch_jobs"] == expected
    assert found["batch_jobs_fully_scheduled"] + found["batch_jobs_partially_scheduled"] > 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("cpus = 1", "workload.0.empirical.cpus is unknown"),
        ("", "workload.0.empirical.cpu is missing"),
        ("cpu = 1\npriority = 2000", "workload.0.empirical.priority=2000; expected at most 1000"),
        ("cpu = 'many'", "cpu='many' is no number of CPUs"),
    ],
)
def test_a_mistake_in_a_scenario_is_one_sentence(wrong: str, said: str, tmp_path: Path) -> None:
    workload = f'source = "empirical"\ngap_seconds = 1\ntasks = 1\nduration_seconds = 1\n{wrong}'
    file = tmp_path / "wrong.toml"
    file.write_text(SCENARIO.format(cell=PLENTY, workload=workload, runtime=10))
    with pytest.raises(SpecInvalid) as raised:
        simulate(file, seed=1)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_openb_tasks_get_devices_that_hold_them(tmp_path: Path) -> None:
    """VirtualCell.check has seen to it that nothing holds more than there is; here, that the devices were used."""
    cell, workload, runtime, expected = SOURCES["openb"]
    file = tmp_path / "openb.toml"
    file.write_text(SCENARIO.format(cell=cell, workload=workload, runtime=runtime))
    whole = jobs(source="openb", pods="openb_pods.csv", mode="steady")
    wanted = sum(whole.shapes[at].amounts.gpu_milli > 0 for at in whole.shape.tolist())
    found = simulate(file, seed=1)
    assert wanted > 5
    assert found.metrics["batch_jobs_fully_scheduled"] >= expected - 2


def test_machines_of_a_csv_file() -> None:
    snapshot = snapshot_of(Cell(csv=Path("machines.csv")), DATA)
    assert list(snapshot.names) == ["alpha", "beta", "gamma"]
    assert snapshot.capacity.tolist() == [
        [4000, 16 * 10**9, 10**12],
        [8000, 32 * 2**30, 0],
        [500, 512 * 2**20, 0],
    ]
    assert snapshot.device_free.tolist() == [[-1, -1], [1000, 1000], [-1, -1]]
    racks = snapshot.attribute("rack")
    assert [racks.words[code] if code >= 0 else "" for code in racks.codes.tolist()] == ["r1", "r2", ""]


def test_machines_of_groups_and_of_the_openb_trace() -> None:
    cell = Cell.model_validate(
        {
            "group": [
                {"machines": 2, "cpu": 4, "memory": "1GiB", "attributes": {"zone": "a"}},
                {"machines": 1, "cpu": 8, "memory": "2GiB", "gpu": 2, "prefix": "big"},
            ]
        }
    )
    snapshot = snapshot_of(cell, DATA)
    assert list(snapshot.names) == ["g1-1", "g1-2", "big1"]
    assert snapshot.capacity[:, 0].tolist() == [4000, 4000, 8000]
    assert (snapshot.device_free >= 0).sum(axis=1).tolist() == [0, 0, 2]
    openb = snapshot_of(Cell(openb=Path("openb_nodes.csv")), DATA)
    assert openb.machines == 13
    assert int(np.maximum(openb.device_free, 0).sum()) % 1000 == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cpu,memory\n4,1GB\n", r"machines\.csv, line 1: no column name"),
        ("name,cpu,memory\na,4,1GB\na,4,1GB\n", r"machines\.csv, line 3: machine 'a' found, expected a name"),
        ("name,cpu,memory\na,four,1GB\n", r"machines\.csv, line 2: cpu='four' is no number of CPUs"),
        ("name,cpu,memory\n", "the cell has no machines"),
    ],
)
def test_a_file_of_machines_that_cannot_be_read_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "machines.csv").write_text(text)
    with pytest.raises(SpecInvalid, match=said):
        snapshot_of(Cell(csv=Path("machines.csv")), tmp_path)
