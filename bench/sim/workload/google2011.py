"""Google's cluster data of 2011: the tables job_events and task_events, CSV without a header, times in microseconds.

Requests are relative to the largest machine. Source of the columns: the document "Google cluster-usage traces: format +
schema", version 2.1, in google/cluster-data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from omegacell.bench.sim.fields import Cpu, Memory
from omegacell.bench.sim.jobs import JobTable
from omegacell.bench.sim.workload.lifetimes import Lifetimes, Step
from omegacell.bench.sim.workload.lines import Line, files, without_header
from omegacell.bench.sim.workload.source import AskingTrace

JOB_COLUMNS = ("time", "missing", "job", "event", "user", "scheduling_class", "name", "logical_name")
TASK_COLUMNS = (
    "time",
    "missing",
    "job",
    "task_index",
    "machine",
    "event",
    "user",
    "scheduling_class",
    "priority",
    "cpu_request",
    "memory_request",
    "disk_request",
    "different_machines",
)
_SCHEDULE, _LAST_END, _LAST = 1, 6, 8
"""Events: 0 submit, 1 schedule, 2 to 6 evict, fail, finish, kill, lost, 7 and 8 updates."""


class Google2011(AskingTrace):
    """Each name is a file, a folder or a pattern of files; job_events may be left out.

    kinds: by scheduling class, "0" to "3". machine_cpu, machine_memory: what a request of 1 stands for.
    """

    source: Literal["google2011"]
    task_events: str
    job_events: str = ""
    machine_cpu: Cpu
    machine_memory: Memory

    def recorded(self, folder: Path) -> JobTable:
        """All jobs of which a task ran."""
        lives = Lifetimes()
        for path in files(folder, self.job_events) if self.job_events else ():
            for line in without_header(path, JOB_COLUMNS):
                _step(line)
                lives.job(line.text("job"), line.amount("time") / 1e6, line.text("scheduling_class"))
        for path in files(folder, self.task_events):
            for line in without_header(path, TASK_COLUMNS):
                seconds = line.amount("time") / 1e6
                job = lives.job(line.text("job"), seconds, line.text("scheduling_class"))
                task = lives.task(job, line.count("task_index"), seconds, _step(line))
                if line.text("cpu_request") and line.text("memory_request"):
                    lives.requests(task, line.amount("cpu_request"), line.amount("memory_request"))
        return lives.table(self, machine_cpu=self.machine_cpu, machine_memory=self.machine_memory)


def _step(line: Line) -> Step:
    code = line.count("event")
    if code > _LAST:
        raise line.wrong("event", f"0 to {_LAST}")
    if code == _SCHEDULE:
        return Step.BEGIN
    return Step.END if _SCHEDULE < code <= _LAST_END else Step.NONE
