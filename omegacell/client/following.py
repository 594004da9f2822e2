"""What a task writes while it runs, attempt by attempt, until it has ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from omegacell.cellstate.errors import NotFound
from omegacell.cellstate.model import JobStatus, LogPiece, Outcome
from omegacell.cellstate.store import Store
from omegacell.client.log_source import AttemptLog, LogReader
from omegacell.client.logs import STREAMS, missing_before, placement_of
from omegacell.client.waiting import Pauses

Piece = tuple[str, bytes]
"""Which stream ("stdout" or "stderr"), and what was written to it."""
Say = Callable[[str], None]


class Following:
    """One task; call look() until it has `ended`.

    It begins with the attempt that runs or was the last, or with the first. `say` is told of attempts that are
    followed by another, and of output that is not there.
    """

    def __init__(
        self, reader: LogReader, job_id: int, task_index: int, say: Say, *, from_the_first: bool = False
    ) -> None:
        self._reader, self._store = reader, reader.store
        self._job_id, self._task = job_id, task_index
        self._say = say
        self._skips = not from_the_first
        self._done = 0
        self._over = False
        self._current: _Copied | None = None
        self.ended = False

    def look(self) -> Iterator[Piece]:
        """What is new."""
        yield from self.look_at_ended()
        if self.ended:
            return
        if self._current is None:
            self._current = self._begun()
        if self._current is not None and not self._current.silent:
            try:
                yield from self._current.more()
            except NotFound as error:
                self._current.silent = True
                self._say(str(error))

    def look_at_ended(self) -> Iterator[Piece]:
        """The rest of every attempt that has ended."""
        outcomes = self._store.outcomes(self._job_id, task_indexes=[self._task])
        new = [one for one in outcomes if one.attempt > self._done]
        for outcome in new[-1:] if self._skips else new:
            yield from self._rest(outcome)
            self._done, self._current = outcome.attempt, None
            self.ended = outcome.final
            if not outcome.final:
                how = f"{outcome.state.replace('_', ' ')}: {outcome.error or 'no reason is known'}"
                self._say(f"attempt {outcome.attempt} {how}; runs again")
        self._skips = False
        if not new and self._current is None and self._store.job(self._job_id).state.final:
            # An attempt may have ended between the two questions: only the next look knows that there is none.
            self.ended, self._over = self._over, True

    def _begun(self) -> _Copied | None:
        """The attempt that is placed now, if it is a new one."""
        placement = placement_of(self._store, self._job_id, self._task)
        if placement is None or placement.attempt <= self._done:
            return None
        return self._of(placement.machine_id, placement.attempt)

    def _of(self, machine_id: int, attempt: int) -> _Copied:
        return _Copied(
            self._reader.attempt(machine_id, self._job_id, self._task, attempt), attempt, self._say
        )

    def _rest(self, outcome: Outcome) -> Iterator[Piece]:
        copied = self._current
        if copied is None or copied.attempt != outcome.attempt:
            copied = self._of(outcome.machine_id, outcome.attempt)
        found = False
        if not copied.silent:
            with contextlib.suppress(NotFound):
                yield from copied.more()
                found = copied.found
        for stream, tail in (("stdout", outcome.stdout_tail), ("stderr", outcome.stderr_tail)):
            if not copied.bytes[stream] and tail:
                yield stream, tail.encode()
                if missing := missing_before(tail, stream, copied.log.worker):
                    self._say(missing)
            elif not found and copied.bytes[stream]:
                self._say(
                    f"the rest of {STREAMS[stream]} cannot be read: its worker is gone, or does not answer"
                )


class _Copied:
    """How far an attempt's log was read; `found` is what its source said last, `silent` where it did not answer."""

    def __init__(self, log: AttemptLog, attempt: int, say: Say) -> None:
        self.log, self.attempt, self._say = log, attempt, say
        self.bytes = {"stdout": 0, "stderr": 0}
        self.found = False
        self.silent = False

    def more(self) -> Iterator[Piece]:
        """What was written since, until there is no more."""
        while True:
            piece: LogPiece = self.log.read(self.bytes["stdout"], self.bytes["stderr"])
            self.found = piece.found
            if not (piece.stdout or piece.stderr):
                return
            for stream, part, at in (
                ("stdout", piece.stdout, piece.stdout_at),
                ("stderr", piece.stderr, piece.stderr_at),
            ):
                if part:
                    self._tell_gap(stream, at - self.bytes[stream])
                    self.bytes[stream] = at + len(part)
                    yield stream, part

    def _tell_gap(self, stream: str, gap: int) -> None:
        if gap > 0:
            self._say(
                f"{gap} bytes of {STREAMS[stream]} are gone: it is longer than the worker keeps "
                f"(OMEGA_LOG_FILE_BYTES)"
            )


def follow(reader: LogReader, job_id: int, task_index: int, say: Say) -> Iterator[Piece]:
    """What a task writes, until it has ended."""
    following = Following(reader, job_id, task_index, say)
    intervals = reader.pauses.intervals()
    while True:
        for piece in following.look():
            intervals = reader.pauses.intervals()
            yield piece
        if following.ended:
            return
        reader.pauses.pause(next(intervals))


class Follower:
    """Copies what the only task of a job writes, every attempt of it; call follow() often while it runs."""

    def __init__(
        self,
        store: Store,
        job_id: int,
        stdout: BinaryIO,
        stderr: BinaryIO,
        say: Say,
        *,
        announce: Callable[[str], None] = lambda topic: None,
        pauses: Pauses | None = None,
    ) -> None:
        """`announce` wakes the worker that is asked for a piece of the log."""
        reader = LogReader(store=store, pauses=pauses or Pauses(0.1), announce=announce)
        self._following = Following(reader, job_id, 0, say, from_the_first=True)
        self._sinks = {"stdout": stdout, "stderr": stderr}

    def follow(self, status: JobStatus) -> None:
        """Copy what is new."""
        if status.next_index:
            self._copy(self._following.look())

    def finish(self) -> None:
        """Copy the rest of every attempt that has ended."""
        self._copy(self._following.look_at_ended())

    def _copy(self, pieces: Iterator[Piece]) -> None:
        for stream, piece in pieces:
            self._sinks[stream].write(piece)
            self._sinks[stream].flush()
