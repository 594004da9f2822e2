"""What a slot gets beside its process where its job has ports or a health check."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from omegacell.workers.health import HealthWatch
from omegacell.workers.ports import port_variables
from omegacell.workers.questions import Subject
from omegacell.workers.runner import Running, Slot
from omegacell.workers.workplace import Workplace


class Care:
    """Holds the slot's ports, has its tasks asked how they are, and tells when it runs. Watcher's thread only.

    `unwell` is called with the sentence of a task that is to end for its health.
    """

    def __init__(
        self,
        workplace: Workplace,
        slot: Slot,
        tell: Callable[[Running], None],
        unwell: Callable[[str], None],
    ) -> None:
        self._workplace = workplace
        self._slot = slot
        self._tell = tell
        self._unwell = unwell
        self._ports: tuple[tuple[str, int], ...] = ()
        self._told = False
        self._watch: HealthWatch | None = None

    def variables(self) -> dict[str, str]:
        """OMEGA_PORT_<NAME> of its ports, which it holds from now on. PortTaken where one cannot be had."""
        wanted = self._slot.definition.ports
        if wanted and not self._ports:
            self._ports = self._workplace.ports.take(wanted, self._slot.machine)
        return port_variables(self._ports)

    def task_began(self, environment: Mapping[str, str], cwd: str) -> None:
        """A task of it runs."""
        health = self._slot.definition.health
        if not health.checked:
            self._runs()
            return
        port = dict(self._ports).get(health.http_port, 0)
        subject = Subject(environment=environment, cwd=cwd, port=port)
        self._watch = HealthWatch(self._workplace, health, subject, well=self._runs, unwell=self._unwell)

    def task_ended(self) -> None:
        """It does not any more."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def close(self) -> None:
        """The slot is over: its ports are free."""
        self.task_ended()
        self._workplace.ports.give_back(self._ports)
        self._ports = ()

    def _runs(self) -> None:
        if not self._told:
            self._told = True
            self._tell(Running(key=self._slot.key, ports=self._ports))
