"""Part (c) as a small state machine: see all replicas answer, kill one, see another in its place."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from dataclasses import dataclass
from enum import Enum

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.spec import Resources, Service
from omegacell.client.handles import JobHandle

REPLICAS = 3
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One running replica, as it announced itself."""

    pid: int
    port: int


class Stage(Enum):
    """How far the story is."""

    STARTING = "starting"
    REPLACING = "one killed"
    REPLACED = "one killed and replaced"


def service() -> Service:
    """The service: its replicas run again soon after they end."""
    return Service(
        name="beacon",
        command=[sys.executable, "-P", "-m", "omegacell.demo.beacon"],
        replicas=REPLICAS,
        resources=Resources(cpu=0.1, memory="32MiB"),
        backoff="200ms",
    )


class Story:
    """Moves on whenever it is looked at."""

    def __init__(self, handle: JobHandle) -> None:
        self._handle = handle
        self.stage = Stage.STARTING
        self.answering = 0
        self.killed = 0
        self.successor = 0

    def look(self) -> Stage:
        """Ask every replica, and do what is next."""
        if self.stage is Stage.REPLACED:
            return self.stage
        found = [self._replica(index) for index in range(REPLICAS)]
        self.answering = sum(one is not None for one in found)
        first = found[0]
        if self.stage is Stage.STARTING and first is not None and self.answering == REPLICAS:
            self.killed = first.pid
            os.kill(first.pid, signal.SIGKILL)
            self.stage = Stage.REPLACING
        elif self.stage is Stage.REPLACING and first is not None and first.pid != self.killed:
            self.successor = first.pid
            if self.answering == REPLICAS:
                self.stage = Stage.REPLACED
        return self.stage

    def _replica(self, index: int) -> Replica | None:
        """The replica if it runs and answers."""
        try:
            logs = self._handle.logs(index)
            if not (logs.running and logs.stdout.endswith("\n")):
                return None
            replica = Replica(**json.loads(logs.stdout))
            with urllib.request.urlopen(
                f"http://127.0.0.1:{replica.port}/", timeout=_ANSWER_SECONDS
            ) as answer:
                return replica if answer.read() == f"replica {index}\n".encode() else None
        except (NotFound, OSError):
            return None
