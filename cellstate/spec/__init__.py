"""What may be submitted: Job, Service and Resources as users write them, checked here and nowhere else.

Whatever cannot be accepted raises SpecInvalid with one sentence. `compile()` gives the frozen JobSpec that
the rest of the system knows.

    resources.py  what each task holds while it runs
    placed.py     what jobs and services share
    job.py        an array of like tasks, and what it comes after
    service.py    a command kept running in replicas: ports and health checks
    text.py       what text a specification may hold
"""

from __future__ import annotations

from omegacell.cellstate.spec.job import MOST_TASKS, Job, item_text
from omegacell.cellstate.spec.resources import Resources
from omegacell.cellstate.spec.service import HealthCheck, Service
from omegacell.cellstate.spec.text import storable

__all__ = ["MOST_TASKS", "HealthCheck", "Job", "Resources", "Service", "item_text", "storable"]
