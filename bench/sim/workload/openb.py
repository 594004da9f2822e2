"""The openb trace: tasks of a production GPU cluster, some of which share a device.

Published with "Beware of Fragmentation" (USENIX ATC 2023) in alibaba/clusterdata, folder cluster-trace-gpu-v2023. Its
machines: bench/sim/machines.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from omegacell.bench.sim.fields import Seconds
from omegacell.bench.sim.jobs import FOR_EVER, JobRows, JobTable
from omegacell.bench.sim.workload.lines import Line, with_header
from omegacell.bench.sim.workload.source import AskingTrace
from omegacell.cellstate.model import DEVICE_MILLI, DEVICES_AT_MOST, Amounts, Constraint, Operator

GPU_MODEL = "gpu_model"
"""The attribute of a machine that names the type of its devices."""

_COLUMNS = (
    "cpu_milli",
    "memory_mib",
    "num_gpu",
    "gpu_milli",
    "gpu_spec",
    "qos",
    "creation_time",
    "deletion_time",
)


class Openb(AskingTrace):
    """Each line is a job of one task; `kinds` are by qos (LS, BE ...).

    mode: "arrived", or "steady", where they come in that order, one every gap_seconds. A task runs from scheduled_time,
    or where that is empty creation_time, to deletion_time, or for ever where that is.
    """

    source: Literal["openb"]
    pods: str
    mode: Literal["arrived", "steady"] = "arrived"
    gap_seconds: Seconds = Field(default=1.0, gt=0)

    def recorded(self, folder: Path) -> JobTable:
        """All tasks."""
        rows = JobRows()
        for line in with_header(folder / self.pods, _COLUMNS):
            kind = self.kind_of(line.text("qos"))
            if not kind:
                continue
            created = line.amount("creation_time")
            began = line.amount("scheduled_time") if line.text("scheduled_time") else created
            ended = line.amount("deletion_time") if line.text("deletion_time") else FOR_EVER
            if ended < began:
                raise line.wrong("deletion_time", f"{began:g} or more, when it began")
            rows.add(
                self.shape(kind, _amounts(line), _constraints(line)),
                submitted_at=created,
                tasks=1,
                duration_seconds=ended - began,
            )
        jobs = rows.table()
        return jobs if self.mode == "arrived" else jobs.evenly(self.gap_seconds)


def _amounts(line: Line) -> Amounts:
    devices = line.count("num_gpu")
    share = line.count("gpu_milli")
    if devices > DEVICES_AT_MOST:
        raise line.wrong("num_gpu", f"at most {DEVICES_AT_MOST}")
    if devices == 1 and not 0 < share <= DEVICE_MILLI:
        raise line.wrong("gpu_milli", f"1 to {DEVICE_MILLI}, the share of one device")
    return Amounts(
        cpu_milli=line.count("cpu_milli"),
        memory_bytes=line.count("memory_mib") * 2**20,
        gpu_milli=share if devices == 1 else devices * DEVICE_MILLI,
    )


def _constraints(line: Line) -> tuple[Constraint, ...]:
    models = tuple(model for model in line.text("gpu_spec").split("|") if model)
    return (Constraint(attribute=GPU_MODEL, operator=Operator.IN, values=models),) if models else ()
