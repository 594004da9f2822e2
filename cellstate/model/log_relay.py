"""Logs on their way from the worker's host to whoever reads them: a request, and its answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Somebody wants to read what an attempt of a task wrote, each stream from a byte on (-n: the last n bytes)."""

    request_id: int
    job_id: int
    task_index: int
    attempt: int
    stdout_from: int
    stderr_from: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """A worker's answer: bytes of each stream, and at which byte of it they begin.

    `found` is False where the worker has no such file any more. At most LOG_PIECE_BYTES a stream: who wants more
    asks again.
    """

    stdout: bytes = b""
    stderr: bytes = b""
    stdout_at: int = 0
    stderr_at: int = 0
    found: bool = True


LOG_PIECE_BYTES = 2**18
"""Of one stream in one answer: it passes through a row of the database."""
