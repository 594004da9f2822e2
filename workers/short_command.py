"""A command of the agent's own that lasts a moment: what it said and how it ended, without anybody waiting."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence

from omegacell.workers.groups import ProcessGroup
from omegacell.workers.workplace import Workplace

_OUTPUT_BYTES = 4096


class ShortCommand:
    """Runs at once, in a group of its own. `ended` is called with its exit code (or minus the signal) and the end of
    what it wrote, unless it was killed by kill(). Raises as ProcessGroup. Watcher's thread only.

    `late` says that it took longer than the timeout, and was killed for that.
    """

    def __init__(
        self,
        workplace: Workplace,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        timeout_seconds: float,
        ended: Callable[[int, str], None],
    ) -> None:
        self.late = False
        self._wanted = True
        self._ended = ended
        descriptor, path = tempfile.mkstemp(prefix="omegacell-")
        os.unlink(path)
        self._output = descriptor
        try:
            self._group = ProcessGroup(
                workplace, command, env=env, cwd=cwd, stdout=descriptor, stderr=descriptor, ended=self._exited
            )
        except (OSError, ValueError):
            os.close(descriptor)
            raise
        self._group.later(timeout_seconds, self._timed_out)

    def kill(self) -> None:
        """Nobody wants to know any more."""
        self._wanted = False
        self._group.kill()

    def _timed_out(self) -> None:
        self.late = True
        self._group.kill()

    def _exited(self, code: int) -> None:
        try:
            begin = max(0, os.fstat(self._output).st_size - _OUTPUT_BYTES)
            said = os.pread(self._output, _OUTPUT_BYTES, begin).decode("utf-8", "replace")
        finally:
            os.close(self._output)
        if self._wanted:
            self._ended(code, said)
