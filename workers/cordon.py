"""An agent's own word that its machines are to be given nothing more."""

from __future__ import annotations

import logging
from typing import Protocol

from omegacell.cellstate.errors import OmegaError
from omegacell.cellstate.model import MachineStatus

log = logging.getLogger(__name__)


class CordonStore(Protocol):
    """As ClientStore."""

    def machines(self) -> tuple[MachineStatus, ...]:
        """As ClientStore.machines."""
        ...

    def drain(self, machine_name: str, *, evict: bool = True) -> MachineStatus:
        """As ClientStore.drain."""
        ...

    def uncordon(self, machine_name: str) -> MachineStatus:
        """As ClientStore.uncordon."""
        ...


class Cordon:
    """Keeps the agent's own machines from being given work, and lifts that when they are given back.

    A machine that people have cordoned stays so.
    """

    def __init__(self, store: CordonStore) -> None:
        self._store = store
        self._names: list[str] = []

    def put_up(self, machine_ids: set[int]) -> None:
        """Cordon these; what they run runs on."""
        try:
            for machine in self._store.machines():
                if machine.machine_id in machine_ids and machine.schedulable:
                    self._store.drain(machine.name, evict=False)
                    self._names.append(machine.name)
        except OmegaError as error:
            log.warning("not every machine could be cordoned before its end: %s", error)

    def take_down(self) -> None:
        """The machines are given back: whoever brings them up again finds them as they were."""
        while self._names:
            name = self._names.pop()
            try:
                self._store.uncordon(name)
            except OmegaError as error:
                log.warning("machine %s stays cordoned; uncordon it before it is used again: %s", name, error)
