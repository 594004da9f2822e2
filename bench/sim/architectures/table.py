"""Table 1 of the paper: what tells the architectures apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from omegacell.bench.sim.scenario import Architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """One row: which machines a scheduler may choose, how rivals are kept apart, in what steps room is given out, and
    what can be ruled for the cell as a whole.
    """

    label: str
    resource_choice: str
    interference: str
    allocation_granularity: str
    cluster_wide_policies: str


_MONOLITHIC = {
    "resource_choice": "all machines",
    "interference": "none: one job after the other",
    "allocation_granularity": "one policy for all",
    "cluster_wide_policies": "strict priority, preemption",
}

TABLE: Mapping[Architecture, Traits] = MappingProxyType(
    {
        Architecture.MONOLITHIC_SINGLE: Traits(label="monolithic, single-path", **_MONOLITHIC),
        Architecture.MONOLITHIC_MULTI: Traits(label="monolithic, multi-path", **_MONOLITHIC),
        Architecture.PARTITIONED: Traits(
            label="statically partitioned",
            resource_choice="a fixed part of the machines",
            interference="none: the parts are disjoint",
            allocation_granularity="a policy for each part",
            cluster_wide_policies="up to the schedulers",
        ),
        Architecture.TWO_LEVEL: Traits(
            label="two-level (Mesos)",
            resource_choice="what it is offered",
            interference="pessimistic: what is offered is locked",
            allocation_granularity="hoarding",
            cluster_wide_policies="strict fairness",
        ),
        Architecture.SHARED_STATE: Traits(
            label="shared state (Omega)",
            resource_choice="all machines",
            interference="optimistic: conflicts show at the commit",
            allocation_granularity="a policy for each scheduler",
            cluster_wide_policies="free for all, priority, preemption",
        ),
        Architecture.PARSYNC: Traits(
            label="shared state, partitioned synchronization (ParSync)",
            resource_choice="all machines, those seen lately first",
            interference="optimistic: conflicts show at the commit",
            allocation_granularity="a policy for each scheduler",
            cluster_wide_policies="free for all, priority, preemption",
        ),
    }
)
"""Sources: Schwarzkopf et al., EuroSys 2013, Table 1; ParSync: Feng et al., USENIX ATC 2021. Our words."""
