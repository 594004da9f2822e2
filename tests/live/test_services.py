"""Services on a live cell: they answer, lose replicas and a machine, are scaled, found ill; handles from elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping

import pytest

import omegacell
from omegacell.cellstate.model import Endpoint
from omegacell.client.cell import Cell
from omegacell.client.handles import JobHandle
from tests.live.conftest import OMEGA, Command, Said
from tests.processes import eventually

SECONDS = 60.0
# Answers every path with its task, its attempt and its process; /ready fails once somebody has asked for /ill.
SERVER = """
import http.server, os
told = f"{os.environ['OMEGA_TASK_INDEX']} {os.environ['OMEGA_ATTEMPT']} {os.getpid()}".encode()
ill = False
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global ill
        ill = ill or self.path == "/ill"
        self.send_response(500 if ill and self.path == "/ready" else 200)
        self.end_headers()
        self.wfile.write(told)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["OMEGA_PORT_HTTP"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def cell(omega: Command) -> Iterator[Cell]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in omega.env.items():
            patch.setenv(name, value)
        with omegacell.connect() as connected:
            yield connected


@pytest.fixture
def web(cell: Cell) -> Iterator[JobHandle]:
    handle = cell.apply(
        name="web",
        command=["python3", "-c", SERVER],
        replicas=3,
        ports={"http": None},
        health={"path": "/ready", "interval": 0.1, "failures": 2, "start": 5},
        resources=omegacell.Resources(cpu=0.1),
        backoff=0.1,
    )
    try:
        yield handle
    finally:
        handle.cancel()
        handle.wait(timeout=SECONDS)


def asked(endpoint: Endpoint, path: str = "/") -> tuple[int, int, int]:
    """Task, attempt and process of what answers there."""
    url = f"http://{endpoint.address}:{endpoint.port}{path}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        task, attempt, pid = map(int, answer.read().split())
    return task, attempt, pid


def attempts(web: JobHandle) -> dict[int, int]:
    """By task the attempt that answers; those that do not answer at the moment are left out."""
    found = {}
    for endpoint in web.endpoints():
        try:
            task, attempt, _ = asked(endpoint)
        except OSError:
            continue
        found[task] = attempt
    return found


def test_replicas_answer_come_back_and_are_scaled(web: JobHandle) -> None:
    first = web.endpoints(timeout=SECONDS)
    assert [asked(one)[:2] for one in first] == [(0, 1), (1, 1), (2, 1)]
    os.kill(asked(first[1])[2], signal.SIGKILL)
    eventually(lambda: attempts(web) == {0: 1, 1: 2, 2: 1}, what="the killed replica answers again")
    asked(web.endpoints()[2], "/ill")
    eventually(
        lambda: attempts(web) == {0: 1, 1: 2, 2: 2}, what="the replica that fell ill was ended and runs again"
    )
    ill = [one for one in web.outcomes(final_only=False) if one.task_index == 2]
    assert [one.state for one in ill] == ["failed"]
    assert "health check failed 2 times: HTTP 500" in ill[0].error
    assert web.scale(5).replicas == 5
    assert len(web.endpoints(timeout=SECONDS)) == 5
    web.scale(3)
    eventually(lambda: sorted(attempts(web)) == [0, 1, 2], what="three replicas are left")
    assert web.status.replicas == 3


def test_a_service_outlives_the_kill_of_its_machine(web: JobHandle, cell: Cell, omega: Command) -> None:
    web.endpoints(timeout=SECONDS)
    environment = {**os.environ, "OMEGA_DSN": cell.dsn, "OMEGA_LEASE_SECONDS": "2"}
    words = [str(OMEGA), "worker", "run", "--name", "doomed", "--cpu", "4", "--stop-with-stdin"]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as worker:
        try:
            assert worker.stdout is not None
            assert json.loads(worker.stdout.readline())["worker"] == "doomed"
            (doomed,) = (one.machine_id for one in cell.machines() if one.name == "doomed")
            for machine in cell.machines():
                if machine.machine_id != doomed:
                    cell.drain(machine.name)
            eventually(
                lambda: [one.machine_id for one in web.endpoints()] == [doomed] * 3,
                what="all replicas are there",
            )
        finally:
            worker.kill()
            for machine in cell.machines():
                cell.uncordon(machine.name)
    eventually(
        lambda: len(attempts(web)) == 3 and doomed not in {one.machine_id for one in web.endpoints()},
        what="the replicas answer on other machines",
        seconds=SECONDS,
    )
    assert cell.check() == ()


ELSEWHERE = """
import asyncio, sys
import omegacell as omega

cell = omega.connect()
job, running, failed, service = (cell.job(one) for one in sys.argv[1:])


async def awaited():
    return (await job).state


states = job.wait(timeout=60).state, job.status.state, asyncio.run(awaited())
print(job.id, job.created, job.specification().name, *states)
print(job.results(), job.outcomes()[0].state, job.dependencies(), job.preemptions(), job.placements())
print(str(job.logs(1)), [piece for piece in job.logs(1, follow=True)])
print(len(job.explain().sentences) > 0)
print(running.hold().held, running.release().held, running.cancel().cancel_requested, running.wait(timeout=60).state)
print(failed.wait(timeout=60).state)
print(failed.retry_failed().state in ("pending", "running"), failed.wait(timeout=60).state)
print(service.scale(2).replicas, len(service.endpoints(timeout=60)), service.cancel().cancel_requested)
"""


def test_a_handle_from_an_id_does_everything_in_another_process(
    cell: Cell, omega: Command, script: Callable[[Mapping[str, str]], Said]
) -> None:
    small = omegacell.Resources(cpu=0.1)
    job = cell.submit(name="seen", command=["sh", "-c", "echo {item}"], each=["a", "b"], resources=small)
    running = cell.submit(command=["sleep", "1000"], resources=small)
    failed = cell.submit(command=["false"], resources=small)
    service = cell.apply(
        name="seen",
        command=["sh", "-c", "exec python3 -m http.server $OMEGA_PORT_HTTP"],
        ports={"http": None},
        resources=small,
    )
    argv = [job.id, running.id, failed.id, service.id]
    said = script({"main.py": f"import sys\nsys.argv[1:] = {argv!r}\n{ELSEWHERE}"})
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        f"{job.id} False seen succeeded succeeded succeeded",
        "['a\\n', 'b\\n'] succeeded () () ()",
        "b",
        " [('stdout', b'b\\n')]",
        "True",
        "True False True cancelled",
        "failed",
        "True failed",
        "2 2 True",
    ]
