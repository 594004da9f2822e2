"""What every workload says of its jobs, wherever they come from, and what every trace does with the time in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from omegacell.bench.sim.fields import Part, Seconds
from omegacell.bench.sim.jobs import FOR_EVER, JobTable, TaskShape
from omegacell.cellstate.model import Amounts, CommitMode, Constraint, Detection


class Source(Part, ABC):
    """A workload. kind: of its tasks, which says who schedules them; rate: a factor on how often jobs come."""

    kind: str = Field(min_length=1)
    rate: float = Field(default=1.0, gt=0.0)

    @property
    def task_kinds(self) -> frozenset[str]:
        """All kinds of tasks that it may have."""
        return frozenset({self.kind})

    @abstractmethod
    def jobs(self, *, seed: int, runtime_seconds: float, folder: Path) -> JobTable:
        """Those submitted before the end of the runtime; relative paths start at `folder`.

        SpecInvalid names the file, the line and the column of what cannot be read.
        """


class Asking(Source):
    """A workload whose jobs are all scheduled in one way."""

    detection: Detection = Detection.FINE
    commit: CommitMode = CommitMode.INCREMENTAL
    priority: int = Field(default=100, ge=0, le=1000)

    def shape(
        self, kind: str, amounts: Amounts, constraints: tuple[Constraint, ...] = (), *, gang: bool = False
    ) -> TaskShape:
        """What jobs of this kind have in common; `gang` goes over the commit mode."""
        return TaskShape(
            kind=kind,
            amounts=amounts,
            detection=self.detection,
            commit=CommitMode.GANG if gang else self.commit,
            priority=self.priority,
            constraints=constraints,
        )


class Trace(Source):
    """Jobs of a record. What they are called in it becomes a kind by `kinds`, else `kind`; `leave_out` are left out.

    Of the record, the jobs are taken that came from start_seconds on and before end_seconds (in its own time), the
    first `limit` of them (0: all). start_seconds becomes 0; `rate` 2 lets them come in half the time, and leaves alone
    how long they run.
    """

    kinds: Mapping[str, str] = Field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    start_seconds: Seconds = 0.0
    end_seconds: Seconds | None = None
    limit: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _window(self) -> Trace:
        if self.end_seconds is not None and self.end_seconds <= self.start_seconds:
            raise ValueError(
                f"end_seconds={self.end_seconds:g} is not after start_seconds={self.start_seconds:g}"
            )
        return self

    @property
    def task_kinds(self) -> frozenset[str]:
        """All kinds of tasks that it may have."""
        return frozenset({self.kind, *self.kinds.values()})

    def kind_of(self, name: str) -> str:
        """The kind of tasks for what the record calls them; "" if they are left out."""
        return "" if name in self.leave_out else self.kinds.get(name, self.kind)

    @abstractmethod
    def recorded(self, folder: Path) -> JobTable:
        """All jobs of the record that are not left out, in its own time."""

    def jobs(self, *, seed: int, runtime_seconds: float, folder: Path) -> JobTable:
        """The same in every run."""
        recorded = self.recorded(folder)
        end = FOR_EVER if self.end_seconds is None else self.end_seconds
        return recorded.replayed(
            start=self.start_seconds, end=end, rate=self.rate, limit=self.limit, runtime=runtime_seconds
        )


class AskingTrace(Trace, Asking):
    """A record that does not say how jobs are scheduled: all in one way."""


def milli(amount: float) -> int:
    """Thousandths of a CPU, from CPUs, rounded to the nearest; something stays at least 1."""
    return max(round(amount * 1000), 1) if amount > 0 else 0


def whole_bytes(amount: float) -> int:
    """Bytes, rounded to the nearest."""
    return int(np.rint(amount))
