"""The batch scheduler: many jobs an attempt, placed fast."""

from __future__ import annotations

from typing import ClassVar

from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.policies.random_first_fit import RandomFirstFit
from omegacell.schedulers.scheduler import PolicyChoice, Scheduler


class BatchScheduler(Scheduler):
    """Serves Job.scheduler = "batch".

    Its policy draws machines at random, as Omega's does: schedulers that rank machines alike all want the
    same ones and conflict, while random choices seldom meet, and a look at the drawn machines only is the
    cheapest decision there is. A job that wants to be packed names best_fit.
    """

    kind: ClassVar[str] = "batch"
    default_policy: ClassVar[PolicyChoice] = RandomFirstFit
    default_config: ClassVar[SchedulerConfig] = SchedulerConfig(jobs_per_attempt=16)
