"""Health checks: what the answers mean, and what becomes of the task."""

from __future__ import annotations

import queue
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from omegacell.cellstate.model import AttemptState, Health
from omegacell.workers.health import Pulse
from omegacell.workers.ports import Ports
from omegacell.workers.questions import HttpQuestion
from omegacell.workers.watcher import Watcher
from tests.unit.workers.cell import SmallCell
from tests.unit.workers.tasks import PATIENCE_SECONDS, PYTHON, Bench, call, runs, shell, text_of, until

FAST = {"interval_seconds": 0.05, "timeout_seconds": 5.0, "start_seconds": 0.0}


def by_command(*words: str, **fields: float) -> Health:
    return Health(command=words, **{**FAST, **fields})  # type: ignore[arg-type]  # numbers all


def by_http(path: str = "/ready", **fields: float) -> Health:
    return Health(http_port="http", http_path=path, **{**FAST, **fields})  # type: ignore[arg-type]  # numbers all


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that does this with every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                connection, _ = listening.accept()
                with connection:
                    if not over.is_set():
                        answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        try:
            yield port
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


def says(text: str) -> Callable[[socket.socket], None]:
    """Answers every request so."""

    def answer(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(text.encode())

    return answer


class TestPulse:
    """The decision, without any task."""

    def test_so_many_bad_answers_in_a_row_are_too_many(self) -> None:
        pulse = Pulse(Health(failures=3, start_seconds=0), 0.0)
        assert [pulse.failed(1.0) for _ in range(2)] == [False, False]
        pulse.good()
        assert [pulse.failed(2.0) for _ in range(3)] == [False, False, True]

    def test_none_are_before_its_start_is_over(self) -> None:
        pulse = Pulse(Health(failures=1, start_seconds=10), 100.0)
        assert [pulse.failed(at) for at in (100.0, 109.9, 110.0)] == [False, False, True]

    def test_its_start_is_over_with_the_first_good_answer(self) -> None:
        pulse = Pulse(Health(failures=1, start_seconds=10), 100.0)
        pulse.good()
        assert pulse.failed(101.0)

    def test_it_is_asked_soon_until_it_is_well_and_then_every_interval(self) -> None:
        pulse = Pulse(Health(interval_seconds=5.0), 0.0)
        pauses = [pulse.next_pause() for _ in range(9)]
        assert pauses[0] < 0.1
        assert pauses == sorted(pauses)
        assert pauses[-1] == 5.0
        fresh = Pulse(Health(interval_seconds=5.0), 0.0)
        assert [fresh.good(), fresh.good(), fresh.next_pause()] == [True, False, 5.0]


def test_a_task_runs_from_its_first_good_answer_on(bench: Bench, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    check = by_command(
        "sh", "-c", f"echo x >> {tmp_path}/asked; test -e {ready}", failures=1, start_seconds=600
    )
    made = shell(f"while [ ! -e {tmp_path}/stop ]; do sleep 0.02; done", health=check)
    bench.runner.start([made])
    until(lambda: text_of(tmp_path / "asked").count("x") > 1, "it was asked more than once")
    assert bench.running.empty()
    ready.touch()
    assert bench.next_running().key == made.key
    (tmp_path / "stop").touch()
    assert bench.next_end().state is AttemptState.SUCCEEDED
    assert bench.running.empty()


def test_a_command_that_fails_ends_the_task_with_its_last_line(bench: Bench, tmp_path: Path) -> None:
    check = by_command("sh", "-c", "echo first; echo database $NAME is away in $(pwd) >&2; exit 3")
    end = bench.run(shell("sleep 60", health=check, env={"NAME": "d1"}, cwd=str(tmp_path)))
    assert end.state is AttemptState.FAILED
    assert end.error.startswith("health check failed 3 times: exit code 3 from sh -c ")
    assert end.error.endswith(f": database d1 is away in {tmp_path}")


def test_a_command_that_does_not_end_is_killed_with_all_it_started(bench: Bench, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    check = by_command("sh", "-c", f"sleep 60 & echo $! > {note}; wait", failures=1, timeout_seconds=0.3)
    end = bench.run(shell("sleep 60", health=check))
    assert end.error.startswith("health check failed once: no answer within 0.3 s from sh -c ")
    until(lambda: not runs(int(text_of(note))), "what it started is gone")


def test_a_check_that_cannot_be_started_is_a_failed_one(bench: Bench) -> None:
    end = bench.run(shell("sleep 60", health=by_command("no-such-check", failures=2)))
    assert end.error.startswith("health check failed 2 times: no-such-check could not be started: ")


@pytest.fixture
def ask() -> Iterator[Callable[..., str]]:
    """Asks GET /ready of a port, and returns what was wrong with the answer."""
    watcher = Watcher("questions")

    def ask(port: int, timeout_seconds: float = 5.0) -> str:
        answers: queue.SimpleQueue[str] = queue.SimpleQueue()

        def put() -> None:
            HttpQuestion(watcher, port, "/ready", timeout_seconds, answers.put)

        watcher.post(put)
        return answers.get(timeout=PATIENCE_SECONDS)

    yield ask
    watcher.close()


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""),
        ("HTTP/1.0 302 Found\r\n\r\n", ""),
        ("HTTP/1.1 200", ""),
        ("HTTP/1.1 400 Bad\r\n\r\n", "HTTP 400 from "),
        ("HTTP/1.1 503 Busy\r\n\r\n" + "x" * 200_000, "HTTP 503 from "),
        ("SSH-2.0\r\n", "no HTTP answer from "),
        ("", "no HTTP answer from "),
    ],
)
def test_the_status_of_an_answer_says_whether_all_is_well(
    ask: Callable[..., str], answer: str, wrong: str
) -> None:
    with server(says(answer)) as port:
        assert ask(port) == (wrong and f"{wrong}http://127.0.0.1:{port}/ready")


def test_a_port_nobody_listens_on_is_no_good_answer(ask: Callable[..., str]) -> None:
    ((_, port),) = Ports().take([("http", 0)], "m")
    assert ask(port) == f"Connection refused at http://127.0.0.1:{port}/ready"


def test_an_answer_that_does_not_come_in_time_is_none(ask: Callable[..., str]) -> None:
    over = threading.Event()

    def wait(_: socket.socket) -> None:
        over.wait(PATIENCE_SECONDS)

    with server(wait) as port:
        assert ask(port, 0.1) == f"no answer within 0.1 s from http://127.0.0.1:{port}/ready"
        over.set()


SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if os.path.exists(sys.argv[1]) else 200)
        self.end_headers()
http.server.HTTPServer(("", int(os.environ["OMEGA_PORT_HTTP"])), Handler).serve_forever()
"""


def test_a_replica_that_falls_ill_is_ended_and_runs_again(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    ill = tmp_path / "ill"
    health = by_http(start_seconds=60)  # a server in Python takes its time on a busy host
    job_id = cell.submit(PYTHON, "-c", SERVER, str(ill), service=True, ports=(("http", 0),), health=health)
    cell.place(job_id)
    until(lambda: cell.store.endpoints(job_id), "it runs, and so has an endpoint")
    (endpoint,) = cell.store.endpoints(job_id)
    with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/") as answer:
        assert answer.status == 200
    ill.touch()
    outcome = cell.outcome(job_id)
    assert (outcome.state, outcome.final) == (AttemptState.FAILED, False)
    assert outcome.error == (
        f"health check failed 3 times: HTTP 500 from http://127.0.0.1:{endpoint.port}/ready"
    )
    assert cell.store.retries(job_id)[0].attempt == 2
    cell.store.cancel(job_id)
    cell.end_of(job_id)


def test_a_callable_is_asked_too(bench: Bench) -> None:
    end = bench.run(call(time.sleep, 60, health=by_command("false", failures=2)))
    assert (end.state, end.error) == (
        AttemptState.FAILED,
        "health check failed 2 times: exit code 1 from false",
    )
    made = call(time.sleep, 0.2, health=by_command("true"))
    bench.runner.start([made])
    assert bench.next_running().key == made.key
    assert bench.next_end().state is AttemptState.SUCCEEDED
