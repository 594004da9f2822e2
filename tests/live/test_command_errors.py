"""What goes wrong through the omega command: one sentence, an exit code, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import COMMAND_SECONDS, OMEGA, Command, Said
from tests.processes import eventually


def is_one_sentence(said: Said) -> bool:
    return said.err.startswith("omega: ") and said.err.count("\n") == 1 and "Traceback" not in said.err


@pytest.fixture(scope="module")
def quick(omega: Command) -> Command:
    """The command, which does not try again for long."""
    return Command(env={**omega.env, "OMEGA_RETRY_SECONDS": "0"})


@pytest.fixture(scope="module")
def service(omega: Command) -> Iterator[str]:
    """The id of a service named errors, of two replicas."""
    applied = omega("apply", "--name", "errors", "--replicas", "2", "--cpu", "0.1", "--", "sleep", "1000")
    assert applied.code == 0, applied
    job_id = applied.out.split()[1]
    yield job_id
    omega("cancel", job_id)
    omega("wait", job_id)


UNKNOWN_JOB = ("job", "wait", "results", "logs", "explain", "cancel", "hold", "release", "retry")


@pytest.mark.parametrize("command", UNKNOWN_JOB)
def test_an_unknown_job_exits_with_3_and_no_id_with_2(omega: Command, command: str) -> None:
    unknown, no_id = omega(command, "j999999"), omega(command, "seven")
    assert (unknown.code, unknown.out, is_one_sentence(unknown)) == (3, "", True), unknown
    assert "j999999" in unknown.err
    assert (no_id.code, no_id.out, is_one_sentence(no_id)) == (2, "", True), no_id
    assert "'seven' is no job id" in no_id.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("drain", "nowhere"), 3, "machine nowhere"),
        (("uncordon", "nowhere"), 3, "machine nowhere"),
        (("scale", "nothing", "2"), 3, "'nothing'"),
        (("scale", "space/errors", "2"), 3, "space"),
        (("scheduler", "hold", "nobody"), 3, "scheduler nobody"),
        (("scheduler", "release", "nobody"), 3, "scheduler nobody"),
        (("scheduler", "drain", "nobody"), 3, "scheduler nobody"),
        (("scheduler", "policy", "nobody", "best_fit"), 3, "scheduler nobody"),
        (("scheduler", "policy", "batch-0", "nearest"), 2, "'nearest'"),
        (("scheduler", "scale", "nightly", "2"), 2, "'nightly'"),
        (("conflicts", "--by", "machine,weather"), 2, "'weather'"),
        (("jobs", "--state", "sleeping"), 2, "'sleeping'"),
        (("logs", "j1.x"), 2, "'j1.x' is no task id"),
        (("run", "--after", "j999999", "--", "true"), 3, "j999999"),
        (("run", "--after", "seven", "--", "true"), 2, "seven"),
        (("run", "--memory", "512m", "--", "true"), 2, "memory='512m'"),
        (("run", "--constraint", "zone =", "--", "true"), 2, "constraint 'zone ='"),
        (("run", "--policy", "nearest", "--", "true"), 2, "policy 'nearest'"),
        (("run", "--scheduler", "nightly", "--", "true"), 2, "'nightly'"),
        (("run", "--priority", "1001", "--", "true"), 2, "priority=1001"),
        (("--dsn", "postgresql://x@127.0.0.1:1/x", "jobs"), 5, "127.0.0.1:1"),
        (("--dsn", "postgresql://x@127.0.0.1:1/x", "events"), 5, "127.0.0.1:1"),
        (("--dsn", "postgresql://x@127.0.0.1:1/x", "db", "upgrade"), 5, "127.0.0.1:1"),
        (("--dsn", "nonsense", "jobs"), 2, "DSN"),
        (("up", "--runtime", "process"), 5, "in use"),
        (("up", "--scheduler", "nightly=1", "--runtime", "process"), 2, "'nightly'"),
        (("bench", "commit", "--claims", "few"), 2, "few"),
    ],
)
def test_each_mistake_is_one_sentence_and_an_exit_code(
    quick: Command, words: tuple[str, ...], code: int, says: str
) -> None:
    said = quick(*words)
    assert (said.code, said.out, is_one_sentence(said)) == (code, "", True), said
    assert says in said.err


@pytest.mark.parametrize(
    ("command", "text", "code", "says"),
    [
        ("submit", "command: [true", 2, "neither YAML nor JSON"),
        ("submit", "[]", 2, "has no jobs"),
        ("submit", "{command: [sleep], colour: red}", 2, "'colour'"),
        ("submit", "{command: sleep}", 2, "command='sleep'"),
        ("submit", "[{command: [a]}, {command: [a], count: 0}]", 2, "job 2 of"),
        ("submit", "services: [{name: w, command: [a]}]", 2, "omega apply"),
        ("submit", "[{name: a, command: [a], after: b}, {name: b, command: [a], after: a}]", 2, "after"),
        ("submit", "{command: [a], after: nobody}", 2, "nobody"),
        ("apply", "{command: [sleep]}", 2, "service has no name"),
        ("apply", "{name: w, command: [a], replicas: -1}", 2, "replicas=-1"),
        ("apply", "{name: w, command: [a], ports: {'a b': null}}", 2, "'a b'"),
        ("apply", "jobs: [{command: [a]}]", 2, "omega submit"),
        (
            "apply",
            "{name: errors, command: [sleep, '2000'], replicas: 2, resources: {cpu: 0.1}}",
            4,
            "command",
        ),
    ],
)
@pytest.mark.usefixtures("service")
def test_each_mistake_in_a_file_is_one_sentence_and_stores_nothing(
    omega: Command, command: str, text: str, code: int, says: str
) -> None:
    before = omega("jobs", "--json", "--limit", "1").told["jobs"][0]["id"]
    said = omega(command, "-", stdin=text)
    assert (said.code, said.out, is_one_sentence(said)) == (code, "", True), said
    assert says in said.err
    assert omega("jobs", "--json", "--limit", "1").told["jobs"][0]["id"] == before


def test_a_file_that_cannot_be_read_says_so(omega: Command, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_bytes(b"\xff\xfe")
    for command in ("submit", "apply"):
        said = omega(command, str(tmp_path / "jobs.yaml"))
        assert (said.code, is_one_sentence(said)) == (2, True), said
        assert "cannot be read" in said.err
        assert omega(command, str(tmp_path)).code == 2


def test_a_service_cannot_be_asked_for_what_ends_jobs(omega: Command, service: str) -> None:
    said = omega("retry", service)
    assert (said.code, is_one_sentence(said)) == (2, True), said
    timed_out = omega("wait", "--timeout", "100ms", service)
    assert (timed_out.code, timed_out.out) == (124, "")
    assert timed_out.err.splitlines()[-1].startswith(f"omega: job {service}")
    assert omega("results", "--timeout", "0", service).code == 124


def test_a_key_used_for_another_job_exits_with_4(omega: Command) -> None:
    assert omega("submit", "-", stdin='{"command": ["true"], "key": "k4"}').code == 0
    said = omega("submit", "-", stdin='{"command": ["false"], "name": "true", "key": "k4"}')
    assert (said.code, "command" in said.err, is_one_sentence(said)) == (4, True, True)


def test_a_database_without_a_cell_exits_with_5(omega: Command) -> None:
    said = Command(env={**omega.env, "OMEGA_SCHEMA": "nothing_here"})("jobs")
    assert (said.code, is_one_sentence(said)) == (5, True), said
    assert "omega db upgrade" in said.err


def test_without_a_cell_the_command_says_how_to_get_one(tmp_path: Path) -> None:
    said = Command(env={"OMEGA_DATA_DIR": str(tmp_path), "OMEGA_DSN": ""}).installed("jobs")
    assert (said.code, is_one_sentence(said)) == (5, True)
    assert "omega up" in said.err


def test_failed_jobs_exit_with_1(omega: Command) -> None:
    failed = omega("submit", "--wait", "-", stdin=json.dumps({"command": ["false"]}))
    assert failed.code == 1
    job_id = failed.out.split()[0]
    assert [omega(command, job_id).code for command in ("wait", "results")] == [1, 1]
    assert omega("logs", job_id).code == 0


def test_an_interrupt_exits_with_130(omega: Command, service: str) -> None:
    """Of all that wait at once, as each takes a process."""
    commands = [("wait", service), ("results", service), ("logs", "--follow", f"{service}.0")]
    waiting = [
        subprocess.Popen(
            [OMEGA, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **omega.env},
        )
        for words in commands
    ]
    try:
        eventually(lambda: all(_waits(one.pid) for one in waiting), what="all are connected and wait")
    finally:
        for one in waiting:
            one.send_signal(signal.SIGINT)
        said = [one.communicate(timeout=COMMAND_SECONDS) for one in waiting]
    assert [one.returncode for one in waiting] == [130, 130, 130], said
    assert {out for out, _ in said} == {""}
    assert {err.splitlines()[-1] for _, err in said} == {"omega: interrupted"}


def _waits(pid: int) -> bool:
    """Whether the process has a connection to its cell, by which its imports are behind it."""
    found = subprocess.run(["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True, check=False)
    return "socket:" in found.stdout


def test_a_reader_that_goes_away_is_no_error(omega: Command) -> None:
    script = f"{OMEGA} jobs --limit 1000 --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **omega.env},
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("worker", "run", "--time-limit", "soon"), "--time-limit='soon' is no duration"),
        (("worker", "run", "--machines", "0"), "machines"),
        (("scheduler", "run", "nightly"), "'nightly'"),
    ],
)
def test_processes_of_the_cell_refuse_what_they_cannot_do(
    omega: Command, words: tuple[str, ...], says: str
) -> None:
    said = omega.installed(*words)
    assert (said.code, said.out, "Traceback" in said.err) == (2, "", False), said
    assert says in said.err


def test_a_worker_with_a_time_limit_ends_by_itself(database: str) -> None:
    said = Command(env={"OMEGA_DSN": database}).installed(
        "worker", "run", "--name", "brief", "--time-limit", "200ms"
    )
    assert (said.code, json.loads(said.out.splitlines()[0])["worker"]) == (0, "brief"), said
