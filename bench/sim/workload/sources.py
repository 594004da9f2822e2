"""All sources of jobs, as a [[workload]] of a scenario names them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from omegacell.bench.sim.workload.empirical import EmpiricalSource
from omegacell.bench.sim.workload.exponential import Exponential
from omegacell.bench.sim.workload.google2011 import Google2011
from omegacell.bench.sim.workload.google2019 import Google2019
from omegacell.bench.sim.workload.history import History
from omegacell.bench.sim.workload.openb import Openb
from omegacell.bench.sim.workload.reference_trace import ReferenceTrace
from omegacell.bench.sim.workload.swf import Swf

Workload = Annotated[
    Exponential | EmpiricalSource | Openb | ReferenceTrace | Swf | Google2011 | Google2019 | History,
    Field(discriminator="source"),
]
"""Told apart by `source`."""
