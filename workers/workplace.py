"""What everything that runs tasks on this host shares."""

from __future__ import annotations

from dataclasses import dataclass

from omegacell.workers.guard import Guard
from omegacell.workers.log_upkeep import LogUpkeep
from omegacell.workers.memory import MemoryLimits
from omegacell.workers.ports import Ports
from omegacell.workers.runner import RunnerSettings
from omegacell.workers.watcher import Watcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """The thread that owns the tasks, the guard that outlives the agent, what tasks share, and the settings."""

    watcher: Watcher
    guard: Guard
    memory: MemoryLimits
    ports: Ports
    upkeep: LogUpkeep
    settings: RunnerSettings
