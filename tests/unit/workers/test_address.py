"""By which address a worker's host is reached, where nobody says it."""

from __future__ import annotations

import socket

import pytest

from omegacell.cellstate.settings import Settings
from omegacell.workers.address import address_seen_from
from omegacell.workers.cli import options_of, parser


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://127.0.0.1:5432/x",
        "postgresql://localhost/x",
        "postgresql://[::1]/x",
        "host=/var/run/postgresql dbname=x",
        "dbname=x",
        "host=no-such-host.invalid",
    ],
)
def test_a_database_on_this_host_is_reached_by_loopback(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    assert address_seen_from(dsn) == "127.0.0.1"


def test_the_database_is_looked_for_where_its_driver_would(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def unknown(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("PGHOST", "from-the-environment")
    for dsn in ("dbname=x", "host=first,second", "host=named hostaddr=192.0.2.1"):
        assert address_seen_from(dsn) == "127.0.0.1"
    assert asked == ["from-the-environment", "first", "second", "192.0.2.1"]


def test_what_is_said_counts() -> None:
    options = options_of(parser().parse_args(["--dsn", "dbname=x", "--address", "w7.example"]), Settings())
    assert options.address == "w7.example"
