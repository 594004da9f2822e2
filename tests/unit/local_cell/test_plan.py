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
from omegacell.local_cell.fleet import names
from omegacell.local_cell.plan import Plan, make_plan
from omegacell.local_cell.process_runtime import worker_words


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
    own = "omegacell.schedulers.batch:BatchScheduler"
    assert names({"service": 1, "batch": 2, own: 1, "other": 0}) == {
        "batch-0": "batch",
        "batch-1": "batch",
        "batchscheduler-0": own,
        "service-0": "service",
    }


def test_a_machine_set_by_hand_reaches_the_worker() -> None:
    words = worker_words(plan(machine=Resources(cpu=0.5, memory="1GiB")), Path("/x"))
    assert words[:6] == ["--machines", "2", "--cpu", "0.500", "--memory", "1073741824B"]
    assert "--gpu" not in words


def test_devices_and_custom_resources_of_a_machine_reach_the_worker() -> None:
    words = worker_words(plan(machine=Resources(gpu=2, custom={"licence": 1.5})), Path("/x"))
    assert words[2:6] == ["--gpu", "2", "--custom", "licence=1.500"]
    none = worker_words(plan(machine=Resources(gpu=0)), Path("/x"))
    assert none[2:4] == ["--gpu", "0"]


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
        ({"listen": "0.0.0.0"}, "listen='0.0.0.0' cannot be; name the address"),
        ({"listen": "10.0.0.1:"}, "listen='10.0.0.1:' cannot be"),
        ({"listen": "10.0.0.1:70000"}, "has port 70000; expected 1 to 65535"),
        (
            {"listen": "10.0.0.1", "settings": Settings(dsn="postgresql://db/omega")},
            "OMEGA_DSN names another",
        ),
        ({"machine": Resources(gpu=0.5)}, "gpu=0.5 is a share of one GPU; a machine has whole ones"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecInvalid, match=says):
        plan(**fields)


def test_an_address_to_listen_on_may_have_a_port() -> None:
    made = plan(listen="10.0.0.1:5432")
    assert (made.address, made.port) == ("10.0.0.1", 5432)
    assert (plan(listen="db.example").address, plan(listen="db.example").port) == ("db.example", 0)
    assert (plan().address, plan().port) == ("", 0)


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
