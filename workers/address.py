"""By which address other hosts reach this one."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

from psycopg import conninfo, pq

LOOPBACK = "127.0.0.1"


def address_seen_from(dsn: str) -> str:
    """This host's address on its way to the database: whoever else reaches that, reaches this one there.

    The loopback address where the database is on this host, or cannot be found by its name. Nothing is sent.
    """
    defaults = {
        option.keyword.decode(): option.val.decode()
        for option in pq.Conninfo.get_defaults()
        if option.val is not None
    }
    said = {**defaults, **{name: str(value) for name, value in conninfo.conninfo_to_dict(dsn).items()}}
    hosts = said.get("hostaddr") or said.get("host") or ""
    for host in hosts.split(","):
        if host and not host.startswith(("/", "@")):
            with contextlib.suppress(OSError):
                return _local_address(host)
    return LOOPBACK


def _local_address(host: str) -> str:
    """The address that a connection to the host would come from."""
    # Of a datagram socket, connecting only looks up the route.
    family, kind, protocol, _, to = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(to)
        found = str(probe.getsockname()[0])
    return LOOPBACK if ipaddress.ip_address(found.partition("%")[0]).is_loopback else found
