"""One stream of output in files: where a task writes, and what was cut off its front when it grew too long.

Positions count from the first byte ever written. Beside a stream that was cut lie `.1`, what was cut off last, and
`.at`, the position at which the stream's own file begins now. Who cuts holds the exclusive lock of `.at`, who reads
the shared one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import BinaryIO

from omegacell.cellstate.model import LogPiece

_ASIDE, _POSITION = ".1", ".at"
_COPY_BYTES = 2**20
_ASIDE_TIMES = 4
"""The piece cut off may be so many times the limit: of a task that writes faster than it can be copied."""


def read_piece(stdout: str, stderr: str, starts: tuple[int, int], limit_bytes: int) -> LogPiece:
    """A piece of each of these two files from a byte on (-n: the last n bytes), at most so much of each."""
    found = [read_stream(path, at, limit_bytes) for path, at in zip((stdout, stderr), starts, strict=True)]
    (out, out_at), (err, err_at) = (one or (b"", max(0, at)) for one, at in zip(found, starts, strict=True))
    return LogPiece(
        stdout=out,
        stderr=err,
        stdout_at=out_at,
        stderr_at=err_at,
        found=any(one is not None for one in found),
    )


def read_stream(path: str, start: int, limit_bytes: int) -> tuple[bytes, int] | None:
    """Bytes from position `start` on and where they begin: later if that is gone. None if there is nothing to read."""
    while True:
        with contextlib.ExitStack() as stack:
            lock = _open(path + _POSITION, stack)
            begins = 0
            if lock is not None:
                fcntl.flock(lock, fcntl.LOCK_SH)
                begins = int(lock.read() or b"0")
            parts = [_open(path, stack)]
            if lock is not None and (aside := _open(path + _ASIDE, stack)) is not None:
                parts.insert(0, aside)
                begins -= os.fstat(aside.fileno()).st_size
            files = [part for part in parts if part is not None]
            piece = _read(files, begins, start, limit_bytes) if files or lock else None
            if lock is not None or not os.path.exists(path + _POSITION):
                return piece
        # It was cut for the first time meanwhile: the position that was read is not that of these bytes.


def cut_stream(path: str) -> None:
    """Put what the file holds aside and go on with an empty one. What is written in the instant between is lost."""
    with contextlib.suppress(FileNotFoundError), open(path, "r+b", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        descriptor = os.open(path + _POSITION, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with open(descriptor, "r+b", buffering=0) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            begins = int(lock.read() or b"0")
            begins += _copy(file, path + _ASIDE, _ASIDE_TIMES * size)
            os.ftruncate(file.fileno(), 0)
            lock.seek(0)
            lock.write(b"%d" % begins)


def forget_stream(path: str) -> None:
    """Remove the file and all that lies beside it."""
    for suffix in ("", _ASIDE, _POSITION):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)


def _open(path: str, stack: contextlib.ExitStack) -> BinaryIO | None:
    try:
        return stack.enter_context(open(path, "rb"))
    except (FileNotFoundError, PermissionError):
        return None


def _read(files: list[BinaryIO], begins: int, start: int, limit_bytes: int) -> tuple[bytes, int]:
    """Read from files that follow each other, the first byte of the first being at `begins`."""
    sizes = [os.fstat(file.fileno()).st_size for file in files]
    end = begins + sum(sizes)
    at = end + start if start < 0 else start
    at = min(max(at, begins), end)
    pieces, left, here = [], limit_bytes, begins
    for file, size in zip(files, sizes, strict=True):
        inside = max(0, at - here)
        if left > 0 and inside < size:
            file.seek(inside)
            pieces.append(file.read(min(left, size - inside)))
            left -= len(pieces[-1])
        here += size
    return b"".join(pieces), at


def _copy(source: BinaryIO, path: str, most: int) -> int:
    """Copy until nothing more comes, or `most` bytes; how many."""
    copied = 0
    with open(path + "~", "wb") as target:
        for piece in _pieces(source):
            target.write(piece)
            copied += len(piece)
            if copied >= most:
                break
    os.replace(path + "~", path)
    return copied


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(_COPY_BYTES):
        yield piece
