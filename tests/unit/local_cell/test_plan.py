"""What a local cell may be asked to run, and how the request crosses to its keeper."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from omegacell.cellstate.errors import PolicyError, SpecInvalid
from omegacell.cellstate.model import Amounts
from omegacell.cellstate.settings import Settings
from omegacell.cellstate.spec import Resources
from omegacell.local_cell import state
from omegacell.local_cell.plan import Plan, make_plan
from omegacell.local_cell.process_runtime import scheduler_names, worker_arguments


def plan(**fields: Any) -> Plan:
    asked: dict[str, Any] = {
        "machines": 2,
        "schedulers": {"batch": 2, "service": 1},
        "machine": None,
        "runtime": "process",
        "data_dir": None,
        "owner_pid": 7,
        "settings": Settings(),
    }
    return make_plan(**(asked | fields))


def test_a_plan_crosses_as_one_line() -> None:
    made = plan(machine=Resources(cpu=0.5, memory="1GiB", gpu=2, custom={"licence": 1, "tpu": 0.5}))
    assert made.to_line().count(b"\n") == 1
    assert Plan.from_line(made.to_line()) == made


def test_schedulers_are_named_by_kind_and_number() -> None:
    made = plan(schedulers={"service": 1, "batch": 2, "omegacell.schedulers.batch:BatchScheduler": 1})
    assert [name for _, name in scheduler_names(made)] == [
        "batch-0",
        "batch-1",
        "batchscheduler-0",
        "service-0",
    ]


def test_a_machine_set_by_hand_reaches_the_worker() -> None:
    words = worker_arguments(plan(machine=Resources(cpu=0.5, memory="1GiB")), Path("/x"))
    assert words[1:7] == ["--machines", "2", "--cpu", "0.500", "--memory", "1073741824B"]
    assert "--gpu" not in words


def test_devices_and_custom_resources_of_a_machine_reach_the_worker() -> None:
    words = worker_arguments(plan(machine=Resources(gpu=2, custom={"licence": 1.5})), Path("/x"))
    assert words[3:7] == ["--gpu", "2", "--custom", "licence=1.500"]
    none = worker_arguments(plan(machine=Resources(gpu=0)), Path("/x"))
    assert none[3:5] == ["--gpu", "0"]


def test_what_a_machine_is_not_given_is_a_share_of_the_host() -> None:
    assert plan(machine=Resources(memory="1GiB")).each == Amounts(memory_bytes=2**30)
    assert plan(machine=Resources(memory="1GiB")).share_gpus
    assert plan(machine=Resources(cpu=1)).each == Amounts(cpu_milli=1000)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"machines": 0}, "machines=0"),
        ({"machines": 100_000}, "machines=100000"),
        ({"runtime": "docker"}, "runtime='docker'"),
        ({"schedulers": {"batch": -1}}, "schedulers of kind 'batch' are -1"),
        ({"schedulers": {"batch": 1000}}, "expected 0 to 64"),
        ({"schedulers": {}}, "schedulers are none"),
        ({"machine": Resources(gpu=0.5)}, "gpu=0.5 is a share of one GPU; a machine has whole ones"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecInvalid, match=says):
        plan(**fields)


def test_an_unknown_kind_of_scheduler_is_refused() -> None:
    with pytest.raises(PolicyError, match="'nightly'"):
        plan(schedulers={"nightly": 1})


def test_a_note_counts_only_while_its_process_lives(tmp_path: Path) -> None:
    me = os.getpid()
    note = state.Running(dsn="d", pid=me, started=state.process_start(me), runtime="process")
    state.note(tmp_path, note)
    assert state.running(tmp_path) == note
    assert (tmp_path / "cell.json").stat().st_mode & 0o077 == 0
    state.note(tmp_path, state.Running(dsn="d", pid=me, started=1, runtime="process"))
    assert state.running(tmp_path) is None
    (tmp_path / "cell.json").write_text("{")
    assert state.running(tmp_path) is None
    state.remove(tmp_path)
    state.remove(tmp_path)
    assert state.running(tmp_path) is None
