"""From a DSN, a setting or a running local cell to a Cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from omegacell.cellstate.errors import StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.client.cell import Cell
from omegacell.client.waiting import Bell, Pauses
from omegacell.local_cell import state

if TYPE_CHECKING:
    from omegacell.cellstate.postgres import PostgresStore

# The longest pause between two looks, as a part of the poll interval: a client waits for one thing only.
_POLL_PART = 0.25
_ASK_AGAIN_SECONDS = 0.1


def connect(dsn: str | None = None) -> Cell:
    """The cell at `dsn`, else at OMEGA_DSN, else the local one that `omega up` started.

    StoreUnavailable if there is none or it cannot be reached; SchemaMismatch if it speaks another version.
    """
    settings = Settings()
    named = dsn or settings.dsn
    # The local cell's database is started again when it dies: it is away for a moment, not for good.
    patience_seconds = 0.0 if named else settings.retry_seconds
    return open_cell(named or find_dsn(settings), settings, patience_seconds=patience_seconds)


def find_dsn(settings: Settings) -> str:
    """The DSN that the settings or a running local cell name; StoreUnavailable if neither does."""
    if settings.dsn:
        return settings.dsn
    data_dir = state.data_dir(settings)
    running = state.running(data_dir)
    if running is None:
        raise StoreUnavailable(
            f"no cell is running in {data_dir} and none is named; start one with omega up, or set OMEGA_DSN"
        )
    return running.dsn


def open_cell(
    dsn: str,
    settings: Settings,
    *,
    close: Callable[[], None] = lambda: None,
    patience_seconds: float = 0.0,
) -> Cell:
    """A Cell over PostgreSQL at `dsn`; `close` is called when the Cell is closed, also if this fails.

    A server that does not answer is asked again for `patience_seconds`.
    """
    from omegacell.cellstate.hints import Hints, Listener

    try:
        store = _open_store(dsn, settings, time.monotonic() + patience_seconds)
    except BaseException:
        close()
        raise
    hints = None if settings.poll_only else Hints(dsn, settings.schema_name)

    def listen() -> Bell:
        return Listener(dsn, settings.schema_name, ["done"])

    def close_all() -> None:
        if hints is not None:
            hints.close()
        close()

    return Cell(
        store,
        pauses=Pauses(settings.poll_seconds * _POLL_PART, None if settings.poll_only else listen),
        dsn=dsn,
        announce=(lambda topic: None) if hints is None else hints.send,
        close=close_all,
    )


def _open_store(dsn: str, settings: Settings, deadline: float) -> PostgresStore:
    """The store; StoreUnavailable once it has not answered until `deadline` (monotonic)."""
    from omegacell.cellstate.postgres import PostgresStore

    while True:
        try:
            return PostgresStore(dsn, schema=settings.schema_name)
        except StoreUnavailable:
            if time.monotonic() + _ASK_AGAIN_SECONDS > deadline:
                raise
        time.sleep(_ASK_AGAIN_SECONDS)
