"""Two machines as the README sets them up, each a network namespace with an address and a host name of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import OMEGA, open_folder

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None,
    reason="network namespaces need root, and the commands ip and unshare",
)

_NEAR, _FAR = "10.213.7.1", "10.213.7.2"

# A program on the far machine. Each machine has one CPU: of two tasks that take it each gets one.
PROGRAM = """
import json
import urllib.request
import omegacell as omega

SERVE = "hostname; hostname > index.html; exec python3 -m http.server $OMEGA_PORT_HTTP"

with omega.connect() as cell:
    names = {machine.machine_id: machine.name for machine in cell.machines()}
    job = cell.submit(command=["sh", "-c", "hostname; sleep 0.3"], count=2)
    job.wait(timeout=60)
    told = {"state": job.status.state}
    told["ran"] = {names[one.machine_id]: job.logs(one.task_index).stdout for one in job.outcomes()}
    web = cell.apply(
        name="web",
        command=["sh", "-c", SERVE],
        replicas=2,
        resources={"cpu": 0.5},
        ports={"http": None},
        health={"port": "http", "interval": 0.2},
    )
    told["served"], told["said"] = {}, {}
    for one in web.endpoints(timeout=60):
        with urllib.request.urlopen(f"http://{one.address}:{one.port}/", timeout=10) as answer:
            told["served"][one.address] = answer.status
        told["said"][one.address] = web.logs(one.task_index).stdout.splitlines()[0]
    web.cancel()
    web.wait(timeout=60)
    print(json.dumps({**told, "check": len(cell.check())}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A network namespace, with a host name for what is started in it."""

    namespace: str
    name: str
    env: Mapping[str, str] = field(default_factory=dict)

    def started(self, words: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """The process of a command on this host."""
        named = ["unshare", "--uts", "sh", "-c", f'hostname {self.name} && exec "$@"', "sh"]
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *named, *words],
            text=True,
            env={**os.environ, "OMEGA_DSN": "", **self.env},
            stdout=subprocess.PIPE,
            **options,
        )

    def run(self, words: Sequence[str], *, cwd: Path) -> str:
        """What a command says; it must end well."""
        process = self.started(words, cwd=cwd, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, out + err
        return out

    def end(self) -> None:
        """Kill what is left in the namespace, and remove it."""
        listed = subprocess.run(
            ["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False
        )
        for pid in listed.stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["ip", "netns", "delete", self.namespace], check=False)


@contextmanager
def two_hosts(data_dir: Path) -> Iterator[tuple[Host, Host]]:
    """Hosts `near` and `far`, joined by a link."""
    mark = os.getpid()
    near = Host(namespace=f"oc-near-{mark}", name="near", env={"OMEGA_DATA_DIR": str(data_dir)})
    far = Host(namespace=f"oc-far-{mark}", name="far", env={"OMEGA_DATA_DIR": str(data_dir / "none")})
    try:
        for host in (near, far):
            _ip("netns", "add", host.namespace)
            _ip("-n", host.namespace, "link", "set", "lo", "up")
        _ip(
            "-n",
            near.namespace,
            "link",
            "add",
            "eth0",
            "type",
            "veth",
            "peer",
            "eth0",
            "netns",
            far.namespace,
        )
        for host, address in ((near, _NEAR), (far, _FAR)):
            _ip("-n", host.namespace, "address", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", host.namespace, "link", "set", "eth0", "up")
        yield near, far
    finally:
        near.end()
        far.end()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_cell_on_two_machines_runs_serves_and_shows_logs_from_both(data_dir: Path, tmp_path: Path) -> None:
    with two_hosts(data_dir) as (near, far):
        omega = str(OMEGA)
        up = near.run(
            [omega, "up", "--runtime", "process", "--listen", _NEAR, "--cpu", "1", "--json"], cwd=tmp_path
        )
        dsn = json.loads(up)["dsn"]
        assert f"@{_NEAR}:" in dsn
        there = Host(namespace=far.namespace, name=far.name, env={**far.env, "OMEGA_DSN": dsn})
        worker = there.started(
            [omega, "worker", "run", "--cpu", "1", "--stop-with-stdin"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        assert worker.stdout is not None
        assert json.loads(worker.stdout.readline())["worker"] == "far"

        told = json.loads(there.run([sys.executable, "-c", PROGRAM], cwd=tmp_path))
        assert told == {
            "state": "succeeded",
            "ran": {"near": "near\n", "far": "far\n"},
            "served": {_NEAR: 200, _FAR: 200},
            "said": {_NEAR: "near", _FAR: "far"},
            "check": 0,
        }
        worker.communicate(timeout=30)
        assert worker.returncode == 0
        near.run([omega, "down"], cwd=tmp_path)
