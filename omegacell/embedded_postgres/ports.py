"""A free TCP port for a server that will keep it."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Final

LOOPBACK: Final = "127.0.0.1"

_LOWEST: Final = 20_000
_HIGHEST: Final = 32_768
_TRIES: Final = 50


def choose_port(preferred: int, addresses: Sequence[str] = (LOOPBACK,)) -> int:
    """`preferred` if it is free on all the addresses (0: no preference), else a random free port.

    It lies below the range from which the system takes ports for outgoing connections: while the server
    restarts, one of those could take its port, even a client's own attempt to reconnect (TCP lets a socket
    connect to itself). Free now is not free for ever: the server's bind decides, and the caller tries again.
    """
    if preferred and is_free(preferred, addresses):
        return preferred
    highest = min(_HIGHEST, _first_outgoing_port())
    if highest - _LOWEST >= _TRIES:
        for _ in range(_TRIES):
            port = _LOWEST + int.from_bytes(os.urandom(4), "big") % (highest - _LOWEST)
            if is_free(port, addresses):
                return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def is_free(port: int, addresses: Sequence[str]) -> bool:
    """Whether a server could listen there now; with port 0, whether the addresses are this host's."""
    for address in addresses:
        with socket.socket() as probe:
            # As PostgreSQL does: connections of an earlier server that linger on the port do no harm.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def _first_outgoing_port() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 49_152  # what IANA sets aside, and macOS uses
