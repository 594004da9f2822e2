"""Logs of parallel machines in the Standard Workload Format of the Parallel Workloads Archive.

18 columns separated by space, comments from a semicolon on, -1 for what is unknown. Source of the format: the archive's
page "The Standard Workload Format", version 2.2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from omegacell.bench.sim.fields import Cpu, Memory
from omegacell.bench.sim.jobs import JobRows, JobTable
from omegacell.bench.sim.workload.lines import Line, of_words
from omegacell.bench.sim.workload.source import AskingTrace
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts

COLUMNS = (
    "job_number",
    "submit_time",
    "wait_time",
    "run_time",
    "allocated_processors",
    "average_cpu_time",
    "used_memory",
    "requested_processors",
    "requested_time",
    "requested_memory",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "preceding_job",
    "think_time",
)
_AT = {name: at for at, name in enumerate(COLUMNS)}
_UNKNOWN = -1.0


class Swf(AskingTrace):
    """Each line is a job; `kinds` are by the number of the queue.

    processors: what the processors that it requested (where unknown, had) become: "tasks" of one each, those tasks as a
    "gang", or "one_task" with all of them. cpu: of one processor. memory: of one processor, for jobs that
    neither request memory nor are known to have used any. Jobs without processors or without a run time, which were
    cancelled before they ran, are left out.
    """

    source: Literal["swf"]
    path: str
    processors: Literal["tasks", "gang", "one_task"] = "tasks"
    cpu: Cpu = Field(default=1, validate_default=True)
    memory: Memory = 0

    def recorded(self, folder: Path) -> JobTable:
        """All jobs that ran."""
        rows = JobRows()
        path = folder / self.path
        for number, words in of_words(path, comment=";"):
            if len(words) != len(COLUMNS):
                raise SpecInvalid(
                    f"{path}, line {number}: {len(words)} columns found, expected the {len(COLUMNS)} of the format"
                )
            self._add(rows, Line(path, number, _AT, words))
        return rows.table()

    def _add(self, rows: JobRows, line: Line) -> None:
        kind = self.kind_of(line.text("queue"))
        seconds = line.amount("run_time", least=_UNKNOWN)
        count = _known(line, "requested_processors", "allocated_processors")
        submitted = line.amount("submit_time")
        if not kind or seconds < 0 or count < 1:
            return
        kilobytes = _known(line, "requested_memory", "used_memory")
        memory = kilobytes * 1024 if kilobytes > 0 else self.memory
        one = self.processors == "one_task"
        size = count if one else 1
        rows.add(
            self.shape(
                kind,
                Amounts(cpu_milli=self.cpu * size, memory_bytes=memory * size),
                gang=self.processors == "gang",
            ),
            submitted_at=submitted,
            tasks=1 if one else count,
            duration_seconds=seconds,
        )


def _known(line: Line, first: str, second: str) -> int:
    """The first column, or where it is unknown the second; below 1 if both are."""
    value = line.count(first, least=-1)
    return value if value > 0 else line.count(second, least=-1)
