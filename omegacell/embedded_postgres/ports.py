"""A free TCP port on loopback for a server that will keep it."""

from __future__ import annotations

import os
import socket
from typing import Final

_LOWEST: Final = 20_000
_HIGHEST: Final = 32_768
_TRIES: Final = 50


def choose_port(preferred: int) -> int:
    """`preferred` if it is free (0: no preference), else a random free port.

    It lies below the range from which the system takes ports for outgoing connections: while the server
    restarts, one of those could take its port, even a client's own attempt to reconnect (TCP lets a socket
    connect to itself). Free now is not free for ever: the server's bind decides, and the caller tries again.
    """
    if preferred and _is_free(preferred):
        return preferred
    highest = min(_HIGHEST, _first_outgoing_port())
    if highest - _LOWEST >= _TRIES:
        for _ in range(_TRIES):
            port = _LOWEST + int.from_bytes(os.urandom(4), "big") % (highest - _LOWEST)
            if _is_free(port):
                return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does: connections of an earlier server that linger on the port do no harm.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _first_outgoing_port() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 49_152  # what IANA sets aside, and macOS uses
