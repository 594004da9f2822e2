"""From a DSN, a setting or a running local cell to a Cell."""

from __future__ import annotations

from collections.abc import Callable

from omegacell.cellstate.errors import StoreUnavailable
from omegacell.cellstate.settings import Settings
from omegacell.client.cell import Cell
from omegacell.client.waiting import Bell, Pauses
from omegacell.local_cell import state

# The longest pause between two looks, as a part of the poll interval: a client waits for one thing only.
_POLL_PART = 0.25


def connect(dsn: str | None = None) -> Cell:
    """The cell at `dsn`, else at OMEGA_DSN, else the local one that `omega up` started.

    StoreUnavailable if there is none or it cannot be reached; SchemaMismatch if it speaks another version.
    """
    settings = Settings()
    return open_cell(dsn or find_dsn(settings), settings)


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


def open_cell(dsn: str, settings: Settings, *, close: Callable[[], None] = lambda: None) -> Cell:
    """A Cell over PostgreSQL at `dsn`; `close` is called when the Cell is closed, also if this fails."""
    from omegacell.cellstate.hints import Hints, Listener
    from omegacell.cellstate.postgres import PostgresStore

    try:
        store = PostgresStore(dsn, schema=settings.schema_name)
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
        announce=(lambda topic: None) if hints is None else hints.send,
        close=close_all,
    )
