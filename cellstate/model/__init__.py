"""The nouns of the cell as plain values: what is submitted, claimed, placed, judged and reported.

Everything here is frozen data without I/O. Amounts are integers with the unit in the name. Times are
seconds since the Unix epoch as floats (virtual seconds in the simulator). Ids are integers; 0 is never
an id. Arrays carry their shape in the docstring.

    states.py       how attempts, tasks and jobs stand, and the modes they may be asked for
    amounts.py      resources as integers with the unit in the name, and the arrays that hold many of them
    jobs.py         what is submitted, and where it stands
    machines.py     machines, and the processes that hold a lease: workers and schedulers
    feed.py         what changed on the machines: the rows a reader applies to its private copy
    claims.py       what a scheduler asks for and what it is answered: claimed jobs, transactions, verdicts, settlements
    placements.py   what holds resources now, what workers report of it, and how it ended
    events.py       what happened, for people: a stream, and counts of conflicts
    log_relay.py    logs on their way from the worker's host to whoever reads them
"""

from __future__ import annotations

from omegacell.cellstate.model.amounts import DEVICE_MILLI, DEVICES_AT_MOST, DIMENSIONS, Amounts, Bool, Int64
from omegacell.cellstate.model.claims import (
    NO_ALTERNATIVES,
    NO_VICTIMS,
    TASKS_PER_SLOT,
    Alternatives,
    ClaimedJob,
    Preemptible,
    Settlement,
    Transaction,
    Verdict,
    Victims,
)
from omegacell.cellstate.model.events import ConflictCount, Event, EventKind, Events
from omegacell.cellstate.model.feed import (
    NO_EXTRAS,
    Changes,
    MachineExtras,
    MachineFacts,
    MachineRows,
    Watermark,
)
from omegacell.cellstate.model.jobs import (
    NO_HEALTH,
    AntiAffinity,
    Constraint,
    Dependency,
    Endings,
    Endpoint,
    Health,
    JobSpec,
    JobStatus,
    Submission,
    Submitted,
    TaskDefinition,
)
from omegacell.cellstate.model.log_relay import LOG_PIECE_BYTES, LogPiece, LogRequest
from omegacell.cellstate.model.machines import (
    Lease,
    MachineSpec,
    MachineStatus,
    RegisteredMachine,
    Renewal,
    SchedulerStatus,
    WorkerSpec,
    WorkerStatus,
)
from omegacell.cellstate.model.placements import (
    Ended,
    Holdings,
    Kept,
    Outcome,
    Placement,
    Preemption,
    Purged,
    Reservation,
    RetryRange,
    Started,
    Violation,
)
from omegacell.cellstate.model.states import (
    AttemptState,
    CommitMode,
    Detection,
    JobState,
    OnLost,
    Operator,
    Reason,
    Stop,
    TaskKind,
    TaskState,
    Wanted,
)

__all__ = [
    "DEVICES_AT_MOST",
    "DEVICE_MILLI",
    "DIMENSIONS",
    "LOG_PIECE_BYTES",
    "NO_ALTERNATIVES",
    "NO_EXTRAS",
    "NO_HEALTH",
    "NO_VICTIMS",
    "TASKS_PER_SLOT",
    "Alternatives",
    "Amounts",
    "AntiAffinity",
    "AttemptState",
    "Bool",
    "Changes",
    "ClaimedJob",
    "CommitMode",
    "ConflictCount",
    "Constraint",
    "Dependency",
    "Detection",
    "Ended",
    "Endings",
    "Endpoint",
    "Event",
    "EventKind",
    "Events",
    "Health",
    "Holdings",
    "Int64",
    "JobSpec",
    "JobState",
    "JobStatus",
    "Kept",
    "Lease",
    "LogPiece",
    "LogRequest",
    "MachineExtras",
    "MachineFacts",
    "MachineRows",
    "MachineSpec",
    "MachineStatus",
    "OnLost",
    "Operator",
    "Outcome",
    "Placement",
    "Preemptible",
    "Preemption",
    "Purged",
    "Reason",
    "RegisteredMachine",
    "Renewal",
    "Reservation",
    "RetryRange",
    "SchedulerStatus",
    "Settlement",
    "Started",
    "Stop",
    "Submission",
    "Submitted",
    "TaskDefinition",
    "TaskKind",
    "TaskState",
    "Transaction",
    "Verdict",
    "Victims",
    "Violation",
    "Wanted",
    "Watermark",
    "WorkerSpec",
    "WorkerStatus",
]
