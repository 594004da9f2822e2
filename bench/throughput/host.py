"""Where a benchmark runs: what its figures must be read beside."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine and how busy it was: `load_average` over the last 1, 5 and 15 minutes."""

    platform: str
    python: str
    cpus: int
    load_average: tuple[float, float, float]


def this_host() -> Host:
    """This one, now."""
    return Host(
        platform=platform.platform(),
        python=platform.python_version(),
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        load_average=os.getloadavg(),
    )
