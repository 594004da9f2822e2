"""The cell that a command is about. What it takes is imported when a command needs it: most of its start is that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegacell.client.cell import Cell


def connect() -> Cell:
    """The cell that OMEGA_DSN names (--dsn), else the local one; used as a context manager."""
    from omegacell.client import connecting

    return connecting.connect()
