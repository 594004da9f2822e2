"""Every command once through the real entry point, and its --json against its published schema."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from omegacell.cli.schemas import all_replies
from tests.live.conftest import COMMAND_SECONDS, OMEGA, Command, Said
from tests.live.schema import validate
from tests.processes import eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A cell in which there is something to say about everything."""

    omega: Command
    succeeded: str
    failed: str
    waiting: str
    service: str
    machine: str

    def submit(self, **fields: Any) -> str:
        """The id of a new job."""
        return self.omega("submit", "-", stdin=json.dumps(fields)).out.split()[0]


@pytest.fixture(scope="module")
def scene(omega: Command) -> Iterator[Scene]:
    """Jobs that succeeded, failed and wait, a service with ports, a machine."""
    jobs = [
        {"name": "fine", "command": ["sh", "-c", "echo out; echo err >&2"], "key": "every-fine"},
        {"name": "bad", "command": ["sh", "-c", "test $OMEGA_TASK_INDEX = 1"], "count": 2},
        {"name": "patient", "command": ["true"], "held": True, "after_any": ["fine"]},
    ]
    succeeded, failed, waiting = omega("submit", "-", stdin=json.dumps(jobs)).out.split()
    applied = omega("apply", "--name", "every", "--port", "http", "--cpu", "0.1", "--", "sleep", "1000")
    assert applied.code == 0, applied
    omega("wait", succeeded, failed)
    service = applied.out.split()[1]
    eventually(lambda: omega("job", "--json", service).told["endpoints"] != [], what="the service answers")
    machine = omega("machines", "--json").told["machines"][0]["name"]
    yield Scene(
        omega=omega, succeeded=succeeded, failed=failed, waiting=waiting, service=service, machine=machine
    )
    omega("cancel", service, waiting)
    omega("wait", service, waiting)


Words = Callable[[Scene], tuple[str, ...]]

CASES: Mapping[str, tuple[int, Words]] = {
    "apply": (
        0,
        lambda s: ("apply", "--name", "every", "--port", "http", "--cpu", "0.1", "--", "sleep", "1000"),
    ),
    "cancel": (0, lambda s: ("cancel", s.submit(command=["sleep", "1000"]))),
    "conflicts": (0, lambda s: ("conflicts", "--by", "machine,rival,dimension,scheduler", "--since", "1h")),
    "db upgrade": (0, lambda s: ("db", "upgrade")),
    "down": (0, lambda s: ("--data-dir", "/nowhere", "down")),
    "drain": (0, lambda s: ("drain", "--keep", s.machine)),
    "explain": (0, lambda s: ("explain", s.failed)),
    "fsck": (0, lambda s: ("fsck",)),
    "hold": (0, lambda s: ("hold", s.waiting)),
    "job": (0, lambda s: ("job", s.service)),
    "jobs": (0, lambda s: ("jobs",)),
    "logs": (0, lambda s: ("logs", s.succeeded)),
    "logs --follow": (0, lambda s: ("logs", "--follow", s.succeeded)),
    "machines": (0, lambda s: ("machines",)),
    "policies": (0, lambda s: ("policies",)),
    "purge": (0, lambda s: ("purge", "--yes")),
    "release": (0, lambda s: ("release", s.succeeded)),
    "results": (1, lambda s: ("results", s.failed)),
    "retry": (0, lambda s: ("retry", s.succeeded)),
    "run": (7, lambda s: ("run", "--", "sh", "-c", "echo out; exit 7")),
    "scale": (0, lambda s: ("scale", "every", "2")),
    "scheduler hold": (0, lambda s: ("scheduler", "hold", "batch-0")),
    "scheduler policy": (0, lambda s: ("scheduler", "policy", "batch-0", "")),
    "scheduler release": (0, lambda s: ("scheduler", "release", "batch-0")),
    "scheduler scale": (0, lambda s: ("scheduler", "scale", "batch", "1")),
    "schedulers": (0, lambda s: ("schedulers",)),
    "schema": (0, lambda s: ("schema",)),
    "services": (0, lambda s: ("services",)),
    "simulate": (0, lambda _: ("simulate", "--cell", "hot", "--runtime", "300")),
    "sweep": (0, lambda _: ("sweep", "--over", "service_t_job=1,10", "--seeds", "2", "--runtime", "300")),
    "submit": (1, lambda s: ("submit", "--wait", "-")),
    "uncordon": (0, lambda s: ("uncordon", s.machine)),
    "version": (0, lambda s: ("version",)),
    "wait": (1, lambda s: ("wait", s.succeeded, s.failed)),
}
"""Exit code and words of each command; those that are not here have tests of their own."""

_STDIN = json.dumps([{"command": ["true"]}, {"command": ["false"]}])

_ELSEWHERE = {
    "bench commit",
    "bench conflicts",
    "bench sync",
    "demo",
    "events",
    "figures",
    "record",
    "scheduler drain",
    "up",
}


def test_no_command_is_left_out() -> None:
    assert CASES.keys() | _ELSEWHERE == all_replies().keys()


@pytest.mark.parametrize("command", CASES)
def test_a_command_speaks_to_people_and_to_programs(scene: Scene, command: str) -> None:
    code, words_of = CASES[command]
    words = words_of(scene)
    said = scene.omega(*words, stdin=_STDIN)
    assert (said.code, "Traceback" in said.err, bool(said.out)) == (code, False, True), said
    told = scene.omega(*words_of(scene), "--json", stdin=_STDIN) if "--" not in words else _json(scene, words)
    assert told.code == code, told
    lines = told.out.splitlines()
    assert len(lines) == 1 or command == "logs --follow"
    for line in lines:
        validate(command, json.loads(line))
    assert "\0" not in said.out


def _json(scene: Scene, words: tuple[str, ...]) -> Said:
    """The same with --json where a command line of the user's follows."""
    at = words.index("--")
    return scene.omega(*words[:at], "--json", *words[at:])


def test_events_are_a_stream_of_names_until_it_is_interrupted(scene: Scene) -> None:
    watching = subprocess.Popen(
        [OMEGA, "events", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **scene.omega.env},
    )
    try:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert "listening" in watching.stderr.readline()
        job_id = scene.submit(command=["true"], name="seen")
        told: list[dict[str, Any]] = []
        while not any(one["kind"] == "job_ended" and one["job"] == job_id for one in told):
            told.append(json.loads(watching.stdout.readline()))
        watching.send_signal(signal.SIGINT)
        said = watching.communicate(timeout=COMMAND_SECONDS)[1]
    finally:
        watching.kill()
        watching.communicate()
    assert (watching.returncode, said) == (130, "omega: interrupted\n")
    for one in told:
        validate("events", one)
    placed = next(one for one in told if one["kind"] == "placed" and one["job"] == job_id)
    assert (placed["scheduler"], placed["count"], placed["machine"][:-1]) == (
        "batch-0",
        1,
        scene.machine[:-1],
    )


def test_a_scheduler_takes_another_policy_while_it_runs_and_ends_when_it_is_drained(database: str) -> None:
    omega = Command(env={"OMEGA_DSN": database})
    running = subprocess.Popen(
        [OMEGA, "scheduler", "run", "batch", "--name", "extra"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **omega.env},
    )
    try:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["scheduler"] == "extra"
        assert omega("scheduler", "policy", "extra", "best_fit").out == "extra up, policy best_fit\n"
        assert omega("scheduler", "hold", "extra").out == "extra held, policy best_fit\n"
        assert omega("scheduler", "release", "extra").out == "extra up, policy best_fit\n"
        told = omega("scheduler", "drain", "--json", "extra").told
        validate("scheduler drain", told)
        assert told["scheduler"]["wanted"] == "drain"
        assert running.wait(COMMAND_SECONDS) == 0
    finally:
        running.kill()
        running.communicate()
    assert [line.split()[2] for line in omega("schedulers").out.splitlines()] == ["STATE", "gone"]
