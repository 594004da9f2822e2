"""Schedulers and the worker of a local cell as plain processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from omegacell.cellstate.model import DEVICE_MILLI
from omegacell.local_cell.children import Child, Program, stop_all
from omegacell.local_cell.plan import Plan


class ProcessRuntime:
    """One process for each scheduler and one for the worker, each started again when it dies."""

    def __init__(self, plan: Plan, dsn: str, folder: Path) -> None:
        self._programs = programs(plan, dsn, folder)
        self._children: list[Child] = []

    def start(self) -> None:
        """Start them at the same time, then wait for each."""
        for program in self._programs:
            self._children.append(Child(program))
        for child in self._children:
            child.wait_ready()

    def tend(self) -> None:
        """Start again what has ended."""
        for child in self._children:
            child.tend()

    def pids(self) -> set[int]:
        """The processes as they are now."""
        return {child.pid for child in self._children}

    def stop(self) -> None:
        """End them all."""
        stop_all(self._children)


def programs(plan: Plan, dsn: str, folder: Path) -> list[Program]:
    """What to run for a plan. The DSN goes by the environment: arguments can be read by everyone."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    named = {"worker": worker_arguments(plan, folder)}
    for kind, name in scheduler_names(plan):
        named[name] = ["omegacell.schedulers.cli", "--kind", kind, "--name", name]
    return [
        Program(
            name=name,
            # -P: a folder named like one of ours in the directory where this runs is never looked at.
            arguments=[sys.executable, "-P", "-m", *arguments, "--stop-with-stdin"],
            env={**os.environ, "OMEGA_DSN": dsn},
            log_file=logs / f"{name}.log",
        )
        for name, arguments in named.items()
    ]


def worker_arguments(plan: Plan, folder: Path) -> list[str]:
    """The worker's command line but for the interpreter."""
    each = plan.each
    amounts = {
        "--cpu": f"{each.cpu_milli / 1000:.3f}" if each.cpu_milli else "",
        "--memory": f"{each.memory_bytes}B" if each.memory_bytes else "",
        "--disk": f"{each.disk_bytes}B" if each.disk_bytes else "",
        "--gpu": "" if plan.share_gpus else str(each.gpu_milli // DEVICE_MILLI),
    }
    chosen = [word for option, amount in amounts.items() if amount for word in (option, amount)]
    for name, milli in each.custom:
        chosen += ["--custom", f"{name}={milli // 1000}.{milli % 1000:03d}"]
    log_directory = ["--log-directory", str(folder / "tasks")]
    return ["omegacell.workers.cli", "--machines", str(plan.machines), *chosen, *log_directory]


def scheduler_names(plan: Plan) -> list[tuple[str, str]]:
    """Kind and name of each scheduler: batch-0, batch-1; for a dotted path its last part."""
    return [
        (kind, f"{kind.rpartition(':')[2].lower()}-{number}")
        for kind, count in sorted(plan.schedulers.items())
        for number in range(count)
    ]
