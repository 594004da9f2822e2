"""server.log: what the server, its tools and the guard have to say, kept small."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import IO, Final

# server.log and server.log.1 each stay under about this.
_LARGEST_BYTES: Final = 16 * 2**20

_TELLING: Final = ("FATAL:", "PANIC:", "ERROR:", "error:")


class ServerLog:
    """A file that several processes append to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file: IO[bytes] = open(path, "ab", buffering=0, opener=_private)  # noqa: SIM115 - for ever

    def say(self, message: str) -> None:
        """Append a line of the guard's own."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        self.file.write(f"{stamp} [{os.getpid()}] GUARD:  {message}\n".encode())

    def end(self) -> int:
        """Where the next line will stand."""
        return os.fstat(self.file.fileno()).st_size

    def since(self, offset: int) -> str:
        """What was written after `offset`, up to 64 KiB of it."""
        with open(self._path, "rb") as file:
            file.seek(offset)
            return file.read(2**16).decode(errors="replace")

    def complaint_since(self, offset: int) -> str:
        """The line after `offset` that says best what went wrong, and where to read the rest."""
        lines = [line.strip() for line in self.since(offset).splitlines() if line.strip()]
        telling = [line for line in lines if any(word in line for word in _TELLING)]
        found = (telling or lines or ["it wrote no message"])[-1]
        return f"{found} (all of it: {self._path})"

    def rotate(self) -> None:
        """Move a grown log aside by copying: its writers hold it open, and go on at its new end."""
        if self.end() > _LARGEST_BYTES:
            older = self._path.with_name(f"{self._path.name}.1")
            shutil.copyfile(self._path, older)
            older.chmod(0o600)
            os.ftruncate(self.file.fileno(), 0)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
