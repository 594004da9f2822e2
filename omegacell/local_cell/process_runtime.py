"""Schedulers and the worker of a local cell as plain processes, forked from the keeper."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from omegacell.cellstate.model import DEVICE_MILLI
from omegacell.local_cell.children import Child, stop_all
from omegacell.local_cell.fleet import Fleet, names
from omegacell.local_cell.forking import Program
from omegacell.local_cell.plan import Plan

_IMPORTED_ONCE = (
    "omegacell.cellstate.hints",
    "omegacell.cellstate.postgres",
    "omegacell.schedulers.batch",
    "omegacell.schedulers.cli",
    "omegacell.schedulers.policies",
    "omegacell.schedulers.service",
    "omegacell.workers.cli",
)


def load() -> None:
    """Import what all of them need, so that each is forked with it."""
    for module in _IMPORTED_ONCE:
        importlib.import_module(module)


class ProcessRuntime:
    """One process for each scheduler and one for the worker, each started again when it dies."""

    def __init__(self, plan: Plan, dsn: str, folder: Path) -> None:
        self._env = {**os.environ, "OMEGA_DSN": dsn}
        self._logs = folder / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._worker_words = worker_words(plan, folder)
        self._planned = names(plan.schedulers)
        self._worker: Child | None = None
        self._schedulers: dict[str, Child] = {}
        self._leaving: list[Child] = []

    def start(self) -> None:
        """Start them at the same time, then wait for each."""
        self._worker = Child(
            self._program("worker", "omega worker run", partial(_run_worker, self._worker_words))
        )
        for name, kind in self._planned.items():
            self._schedulers[name] = Child(self._scheduler(name, kind))
        for child in self._children():
            child.wait_ready()

    def tend(self, fleet: Fleet) -> None:
        """Start again what has ended, and start or end schedulers as wished."""
        if self._worker is not None:
            self._worker.tend()
        kinds = fleet.kinds()
        self._leaving = [child for child in self._leaving if not child.leave()]
        leaving = {child.program.name for child in self._leaving}
        for name in self._schedulers.keys() - kinds.keys():
            self._leaving.append(self._schedulers.pop(name))
        for name in kinds.keys() - self._schedulers.keys() - leaving:
            self._schedulers[name] = Child(self._scheduler(name, kinds[name]))
        for name, child in self._schedulers.items():
            child.tend(is_over=partial(fleet.is_over, name))

    def pids(self) -> set[int]:
        """The processes as they are now."""
        return {child.pid for child in self._children()}

    def stop(self) -> None:
        """End them all."""
        stop_all(self._children())

    def _children(self) -> list[Child]:
        worker = [] if self._worker is None else [self._worker]
        return [*worker, *self._schedulers.values(), *self._leaving]

    def _scheduler(self, name: str, kind: str) -> Program:
        words = ["--kind", kind, "--name", name]
        return self._program(name, f"omega scheduler run --name {name}", partial(_run_scheduler, words))

    def _program(self, name: str, title: str, main: Callable[[], int]) -> Program:
        return Program(
            name=name,
            title=title,
            main=main,
            env=self._env,  # the DSN too: arguments can be read by everyone
            log_file=self._logs / f"{name}.log",
        )


def _run_worker(words: Sequence[str]) -> int:
    from omegacell.workers.cli import main

    return main([*words, "--stop-with-stdin"])


def _run_scheduler(words: Sequence[str]) -> int:
    from omegacell.schedulers.cli import main

    return main([*words, "--stop-with-stdin"])


def worker_words(plan: Plan, folder: Path) -> list[str]:
    """The worker's command line."""
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
    return ["--machines", str(plan.machines), *chosen, "--log-directory", str(folder / "tasks")]
