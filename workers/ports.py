"""The ports of this host that running tasks hold, and under which variables they are told."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

_TRIES = 100
"""Of free ports the kernel names: it may name those that a task holds and has not bound yet."""


class PortTaken(OSError):
    """A port cannot be had; its text is the sentence."""


class Ports:
    """Hands out ports, none of them twice at a time. Watcher's thread only.

    Between being found and being bound by its task a port is nobody's: another program may still take it, as on any
    host.
    """

    def __init__(self) -> None:
        self._held: set[int] = set()

    def take(self, wanted: Sequence[tuple[str, int]], machine: str) -> tuple[tuple[str, int], ...]:
        """A port for each (name, number), 0 for any that is free. PortTaken, and none is held, where one is not."""
        taken: dict[str, int] = {}
        try:
            for name, number in sorted(wanted, key=lambda one: one[1] == 0):
                taken[name] = self._fixed(name, number, machine) if number else self._free(machine)
                self._held.add(taken[name])
        except PortTaken:
            self._held.difference_update(taken.values())
            raise
        return tuple((name, taken[name]) for name, _ in wanted)

    def give_back(self, ports: Sequence[tuple[str, int]]) -> None:
        """Their task has ended."""
        self._held.difference_update(number for _, number in ports)

    def _fixed(self, name: str, number: int, machine: str) -> int:
        if number in self._held:
            raise PortTaken(
                f"port {number} ({name}) is taken on the host of machine {machine} by another task; "
                "ask for any port (null), or let one task a host run"
            )
        try:
            return _bound(number)
        except OSError as error:
            raise PortTaken(
                f"port {number} ({name}) cannot be had on the host of machine {machine}: {error.strerror}; "
                "free it, or ask for any port (null)"
            ) from None

    def _free(self, machine: str) -> int:
        try:
            for _ in range(_TRIES):
                if (number := _bound(0)) not in self._held:
                    return number
        except OSError as error:
            raise PortTaken(f"no port is free on the host of machine {machine}: {error.strerror}") from None
        raise PortTaken(f"no port is free on the host of machine {machine} after {_TRIES} tries")


def port_variables(ports: Sequence[tuple[str, int]]) -> dict[str, str]:
    """OMEGA_PORT_<NAME> of each."""
    return {f"OMEGA_PORT_{re.sub('[^A-Z0-9]', '_', name.upper())}": str(number) for name, number in ports}


def _bound(number: int) -> int:
    """The port that could be bound; as a server does, over connections of an earlier one that linger."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("", number))
        found: int = probe.getsockname()[1]
        return found
