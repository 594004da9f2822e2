"""The service scheduler: few jobs an attempt, placed with care."""

from __future__ import annotations

from typing import ClassVar

from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.policies.spread import Spread
from omegacell.schedulers.scheduler import PolicyChoice, Scheduler


class ServiceScheduler(Scheduler):
    """Serves Job.scheduler = "service": replicas spread evenly, on the machines with most left over.

    Keeping the declared number of replicas needs nothing here: a replica that ends, in whatever way, comes
    back to the queue as a retry of its job, and is placed again beside those that still run.
    """

    kind: ClassVar[str] = "service"
    default_policy: ClassVar[PolicyChoice] = Spread
    default_config: ClassVar[SchedulerConfig] = SchedulerConfig(
        jobs_per_attempt=4, max_slots_per_attempt=1_000
    )
