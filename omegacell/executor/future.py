"""The future of one task of an executor's job."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent import futures
from typing import Any, Protocol


class Tasks(Protocol):
    """Whom a future asks about its task."""

    def withdraw(self, futures: Iterable[TaskFuture]) -> None:
        """Cancel those of these that are not placed and have not ended."""
        ...

    def placed(self, future: TaskFuture) -> bool:
        """Whether its task holds a place on a machine now."""
        ...

    def check_process(self) -> None:
        """RuntimeError in a process that was forked from the executor's own: nobody fulfils futures there."""
        ...


class TaskFuture(futures.Future[Any]):
    """A Future whose task may be anywhere: what only the store knows (does it run?) is asked when wanted.

    Its base never gets to know that it runs, so that a task that runs can still end as cancelled. For the executor:
    `index` is the task's number in the job, -1 while it has none; `dropped` ones get none.
    """

    def __init__(self, tasks: Tasks) -> None:
        super().__init__()
        self._tasks = tasks
        self.index = -1
        self.dropped = False

    def cancel(self) -> bool:
        """Whether it is cancelled now: a task that is placed or has ended is not. Asks the store, if that has it."""
        if not self.done():
            self._tasks.withdraw([self])
        return self.cancelled()

    def running(self) -> bool:
        """Whether its task holds a place on a machine, where it runs or is about to. Asks the store."""
        return not self.done() and self._tasks.placed(self)

    def result(self, timeout: float | None = None) -> Any:
        """As the standard library's."""
        self._tasks.check_process()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As the standard library's."""
        self._tasks.check_process()
        return super().exception(timeout)

    # Called once for a future, by whoever took it from the ledger.

    def end_cancelled(self) -> None:
        """Its task never ran to its end. wait() and as_completed() hear of it too."""
        super().cancel()
        self.set_running_or_notify_cancel()

    def end(self, value: Any, error: BaseException | None) -> None:
        """Its task ended: with this error, if there is one."""
        if error is None:
            self.set_result(value)
        else:
            self.set_exception(error)
