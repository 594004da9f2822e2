"""A cluster scheduler with shared state and optimistic concurrency.

The public API; everything else may change. Names are loaded when first used, so that `import omegacell` is
instant and never imports Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegacell.cellstate.errors import KeyConflict as KeyConflict
    from omegacell.cellstate.errors import NotFound as NotFound
    from omegacell.cellstate.errors import OmegaError as OmegaError
    from omegacell.cellstate.errors import PolicyError as PolicyError
    from omegacell.cellstate.errors import SchemaMismatch as SchemaMismatch
    from omegacell.cellstate.errors import SpecInvalid as SpecInvalid
    from omegacell.cellstate.errors import StoreUnavailable as StoreUnavailable
    from omegacell.cellstate.errors import TaskLost as TaskLost
    from omegacell.cellstate.errors import TasksFailed as TasksFailed
    from omegacell.cellstate.model import AttemptState as AttemptState
    from omegacell.cellstate.model import Constraint as Constraint
    from omegacell.cellstate.model import Dependency as Dependency
    from omegacell.cellstate.model import Endpoint as Endpoint
    from omegacell.cellstate.model import Event as Event
    from omegacell.cellstate.model import EventKind as EventKind
    from omegacell.cellstate.model import JobSpec as JobSpec
    from omegacell.cellstate.model import JobState as JobState
    from omegacell.cellstate.model import JobStatus as JobStatus
    from omegacell.cellstate.model import MachineStatus as MachineStatus
    from omegacell.cellstate.model import Outcome as Outcome
    from omegacell.cellstate.model import Placement as Placement
    from omegacell.cellstate.model import Preemption as Preemption
    from omegacell.cellstate.model import Purged as Purged
    from omegacell.cellstate.model import Reservation as Reservation
    from omegacell.cellstate.model import SchedulerStatus as SchedulerStatus
    from omegacell.cellstate.spec import HealthCheck as HealthCheck
    from omegacell.cellstate.spec import Job as Job
    from omegacell.cellstate.spec import Resources as Resources
    from omegacell.cellstate.spec import Service as Service
    from omegacell.client.async_cell import AsyncCell as AsyncCell
    from omegacell.client.async_cell import connect_async as connect_async
    from omegacell.client.async_handle import AsyncJobHandle as AsyncJobHandle
    from omegacell.client.cell import Cell as Cell
    from omegacell.client.conflicts import ConflictRow as ConflictRow
    from omegacell.client.connecting import connect as connect
    from omegacell.client.explanation import Explanation as Explanation
    from omegacell.client.handles import JobHandle as JobHandle
    from omegacell.client.logs import Logs as Logs
    from omegacell.executor import Executor as Executor
    from omegacell.local_cell.launch import local as local

_HOMES = {
    "AsyncCell": "omegacell.client.async_cell",
    "AsyncJobHandle": "omegacell.client.async_handle",
    "AttemptState": "omegacell.cellstate.model",
    "Cell": "omegacell.client.cell",
    "ConflictRow": "omegacell.client.conflicts",
    "Constraint": "omegacell.cellstate.model",
    "Dependency": "omegacell.cellstate.model",
    "Endpoint": "omegacell.cellstate.model",
    "Event": "omegacell.cellstate.model",
    "EventKind": "omegacell.cellstate.model",
    "Executor": "omegacell.executor",
    "Explanation": "omegacell.client.explanation",
    "HealthCheck": "omegacell.cellstate.spec",
    "Job": "omegacell.cellstate.spec",
    "JobHandle": "omegacell.client.handles",
    "JobSpec": "omegacell.cellstate.model",
    "JobState": "omegacell.cellstate.model",
    "JobStatus": "omegacell.cellstate.model",
    "KeyConflict": "omegacell.cellstate.errors",
    "Logs": "omegacell.client.logs",
    "MachineStatus": "omegacell.cellstate.model",
    "NotFound": "omegacell.cellstate.errors",
    "OmegaError": "omegacell.cellstate.errors",
    "Outcome": "omegacell.cellstate.model",
    "Placement": "omegacell.cellstate.model",
    "PolicyError": "omegacell.cellstate.errors",
    "Preemption": "omegacell.cellstate.model",
    "Purged": "omegacell.cellstate.model",
    "Reservation": "omegacell.cellstate.model",
    "Resources": "omegacell.cellstate.spec",
    "SchedulerStatus": "omegacell.cellstate.model",
    "SchemaMismatch": "omegacell.cellstate.errors",
    "Service": "omegacell.cellstate.spec",
    "SpecInvalid": "omegacell.cellstate.errors",
    "StoreUnavailable": "omegacell.cellstate.errors",
    "TaskLost": "omegacell.cellstate.errors",
    "TasksFailed": "omegacell.cellstate.errors",
    "connect": "omegacell.client.connecting",
    "connect_async": "omegacell.client.async_cell",
    "local": "omegacell.local_cell.launch",
}

__all__ = [  # noqa: PLE0604  the homes' names, plus the one that is computed
    *_HOMES,
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("omegacell")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'omegacell' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
