"""Jobs from the events of their tasks: what the two traces of Google have in common.

An event says that a task was scheduled, or that it ended (finished, failed, evicted, killed, lost). A task may be
scheduled and end several times; it ran for the sum. An end without a start before it is of a task that was waiting.
"""

from __future__ import annotations

from array import array
from enum import IntEnum

import numpy as np

from omegacell.bench.sim.jobs import FOR_EVER, Float64, JobRows, JobTable
from omegacell.bench.sim.workload.source import AskingTrace, milli, whole_bytes
from omegacell.cellstate.model import Amounts, Int64


class Step(IntEnum):
    """What an event means for the time that a task runs."""

    NONE = 0
    BEGIN = 1
    END = 2


class Lifetimes:
    """Events in any order. Jobs and tasks are named as in the trace; requests are as there, relative."""

    def __init__(self) -> None:
        self._job_at: dict[str, int] = {}
        self._task_at: dict[tuple[int, int], int] = {}
        self._submitted = array("d")
        self._class: list[str] = []
        self._job_of = array("q")
        self._cpu = array("d")
        self._memory = array("d")
        self._event_task = array("q")
        self._event_time = array("d")
        self._event_step = array("b")

    def job(self, name: str, seconds: float, scheduling_class: str) -> int:
        """A job is there; the position that it has here. It was submitted when it was first heard of."""
        at = self._job_at.setdefault(name, len(self._job_at))
        if at == len(self._class):
            self._class.append(scheduling_class)
            self._submitted.append(seconds)
        elif seconds < self._submitted[at]:
            self._submitted[at] = seconds
        return at

    def task(self, job: int, index: int, seconds: float, step: Step) -> int:
        """Something happened to a task; the position that the task has here."""
        at = self._task_at.setdefault((job, index), len(self._task_at))
        if at == len(self._job_of):
            self._job_of.append(job)
            self._cpu.append(0.0)
            self._memory.append(0.0)
        if step is not Step.NONE:
            self._event_task.append(at)
            self._event_time.append(seconds)
            self._event_step.append(step)
        return at

    def requests(self, task: int, cpu: float, memory: float) -> None:
        """What a task asks for; the last word counts."""
        self._cpu[task] = cpu
        self._memory[task] = memory

    def table(self, of: AskingTrace, *, machine_cpu: int, machine_memory: int) -> JobTable:
        """Jobs of which a task ran. Of a job all tasks are alike: they get the mean of what they asked for.

        A job's tasks run for the mean of those that ended; for ever if none did.
        """
        job_of = np.array(self._job_of, dtype=np.int64)
        jobs = len(self._class)
        tasks = np.bincount(job_of, minlength=jobs)
        cpu = np.bincount(job_of, weights=np.array(self._cpu), minlength=jobs) / np.maximum(tasks, 1)
        memory = np.bincount(job_of, weights=np.array(self._memory), minlength=jobs) / np.maximum(tasks, 1)
        ran, ended = self._ran()
        began = np.bincount(job_of[~np.isnan(ran)], minlength=jobs)
        over = np.bincount(job_of[ended], minlength=jobs)
        total = np.bincount(job_of[ended], weights=ran[ended], minlength=jobs)
        mean = np.divide(total, over, out=np.full(jobs, FOR_EVER), where=over > 0)
        rows = JobRows()
        for job in np.flatnonzero(began).tolist():
            kind = of.kind_of(self._class[job])
            if kind:
                amounts = Amounts(
                    cpu_milli=milli(cpu[job] * machine_cpu / 1000),
                    memory_bytes=whole_bytes(memory[job] * machine_memory),
                )
                rows.add(
                    of.shape(kind, amounts),
                    submitted_at=self._submitted[job],
                    tasks=int(tasks[job]),
                    duration_seconds=float(mean[job]),
                )
        return rows.table()

    def _ran(self) -> tuple[Float64, Int64]:
        """float64[T]: seconds that each task ran, nan if it never did; the positions of those that ended at last."""
        task = np.array(self._event_task, dtype=np.int64)
        time = np.array(self._event_time, dtype=np.float64)
        step = np.array(self._event_step, dtype=np.int8)
        order = np.lexsort((time, task))  # stable: at one moment, in the order of the trace
        task, time, step = task[order], time[order], step[order]
        ran = np.full(len(self._job_of), np.nan)
        ran[task[step == Step.BEGIN]] = 0.0
        closed = np.flatnonzero((step[:-1] == Step.BEGIN) & (step[1:] == Step.END) & (task[:-1] == task[1:]))
        np.add.at(ran, task[closed], time[closed + 1] - time[closed])
        last = np.flatnonzero(np.append(task[1:] != task[:-1], True)) if len(task) else np.zeros(0, np.int64)
        ended = task[last][(step[last] == Step.END) & ~np.isnan(ran[task[last]])]
        return ran, ended
