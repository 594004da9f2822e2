"""Google's cluster data of 2019: collection_events and instance_events, exported as CSV with a header or as JSON lines.

Names, numbers and their meaning as in clusterdata_trace_format_v3.proto of google/cluster-data. CSV has no nested
fields: resource_request.cpus may also be called resource_request_cpus or cpus there, and memory likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from omegacell.bench.sim.fields import Cpu, Memory
from omegacell.bench.sim.jobs import JobTable
from omegacell.bench.sim.workload.lifetimes import Lifetimes, Step
from omegacell.bench.sim.workload.lines import Line, as_line, files, of_objects, with_header
from omegacell.bench.sim.workload.source import AskingTrace

_EVENTS = (
    "SUBMIT",
    "QUEUE",
    "ENABLE",
    "SCHEDULE",
    "EVICT",
    "FAIL",
    "FINISH",
    "KILL",
    "LOST",
    "UPDATE_PENDING",
    "UPDATE_RUNNING",
)
_ENDS = frozenset({"EVICT", "FAIL", "FINISH", "KILL", "LOST"})
_COMMON = ("time", "type", "collection_id")
_ALLOC_SET = frozenset({"1", "ALLOC_SET"})


class Google2019(AskingTrace):
    """Each name is a file, a folder or a pattern of files; collection_events may be left out.

    kinds: by scheduling class, "0" to "3". Alloc sets are left out; the tasks in them are tasks as others.
    machine_cpu, machine_memory: what a request of 1 stands for.
    """

    source: Literal["google2019"]
    instance_events: str
    collection_events: str = ""
    machine_cpu: Cpu
    machine_memory: Memory

    def recorded(self, folder: Path) -> JobTable:
        """All jobs of which a task ran."""
        lives = Lifetimes()
        for path in files(folder, self.collection_events) if self.collection_events else ():
            for line in _lines(path, _COMMON):
                _step(line)
                _job(lives, line)
        for path in files(folder, self.instance_events):
            for line in _lines(path, (*_COMMON, "instance_index")):
                step, job = _step(line), _job(lives, line)
                task = lives.task(job, line.count("instance_index"), line.amount("time") / 1e6, step)
                cpu, memory = _column(line, "cpus"), _column(line, "memory")
                if line.text(cpu) and line.text(memory):
                    lives.requests(task, line.amount(cpu), line.amount(memory))
        return lives.table(self, machine_cpu=self.machine_cpu, machine_memory=self.machine_memory)


def _lines(path: Path, needed: tuple[str, ...]) -> Iterator[Line]:
    """Those that are about jobs."""
    if ".json" in path.suffixes or ".jsonl" in path.suffixes or ".ndjson" in path.suffixes:
        found: Iterator[Line] = (as_line(path, number, content) for number, content in of_objects(path))
    else:
        found = with_header(path, needed)
    return (line for line in found if line.text("collection_type") not in _ALLOC_SET)


def _job(lives: Lifetimes, line: Line) -> int:
    name = line.text("collection_id")
    if not name:
        raise line.wrong("collection_id", "the number of a collection")
    return lives.job(name, line.amount("time") / 1e6, line.text("scheduling_class"))


def _step(line: Line) -> Step:
    word = line.text("type")
    if word not in _EVENTS:
        if not (word.isdecimal() and int(word) < len(_EVENTS)):
            raise line.wrong("type", f"0 to {len(_EVENTS) - 1}, or a name such as SCHEDULE")
        word = _EVENTS[int(word)]
    if word == "SCHEDULE":
        return Step.BEGIN
    return Step.END if word in _ENDS else Step.NONE


def _column(line: Line, amount: str) -> str:
    """What the request's amount is called in this export."""
    names = (f"resource_request.{amount}", f"resource_request_{amount}", amount)
    return next((name for name in names if line.text(name)), names[0])
