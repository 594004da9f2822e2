"""The note that a running local cell leaves in its data directory, so that others find it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegacell.embedded_postgres import default_data_dir

if TYPE_CHECKING:
    from omegacell.cellstate.settings import Settings

_FILE = "cell.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running local cell: its database, and the process that ends it all when it ends.

    `started` is the kernel's start time of that process, so that a number given out again is not mistaken.
    """

    dsn: str
    pid: int
    started: int
    runtime: str


def data_dir(settings: Settings) -> Path:
    """Where the local cell of these settings keeps its data."""
    return settings.data_dir or default_data_dir()


def running(directory: Path) -> Running | None:
    """The cell that runs on this data directory, if one does."""
    try:
        noted = Running(**json.loads((directory / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return noted if process_start(noted.pid) == noted.started else None


def note(directory: Path, cell: Running) -> None:
    """Leave the note, in one step; only its owner may read it, for the DSN holds the password."""
    draft = directory / f"{_FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(cell), file)
    draft.rename(directory / _FILE)


def remove(directory: Path) -> None:
    """Take the note away."""
    (directory / _FILE).unlink(missing_ok=True)


def process_start(pid: int) -> int:
    """When a live process started, in clock ticks since boot; 0 if there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {"Z", "X"} else int(fields[19])
