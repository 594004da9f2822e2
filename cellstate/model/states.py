"""How attempts, tasks and jobs stand, and the modes they may be asked for."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Detection(StrEnum):
    """What makes a claim conflict. fine: it no longer fits. coarse: its machine was claimed since."""

    FINE = "fine"
    COARSE = "coarse"


class CommitMode(StrEnum):
    """What a refused claim means for the other claims of its job in the same transaction."""

    INCREMENTAL = "incremental"
    ALL_OR_NOTHING = "all_or_nothing"
    GANG = "gang"


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    BLOCKED = "blocked"
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the job can still change."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class TaskState(StrEnum):
    """Where a task stands; the last three are final."""

    PENDING = "pending"
    BACKOFF = "backoff"
    PLACED = "placed"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """How one attempt of one task ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    START_FAILED = "start_failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    LOST = "lost"


class OnLost(StrEnum):
    """What becomes of a task whose machine was lost."""

    RERUN = "rerun"
    FAIL = "fail"


class TaskKind(StrEnum):
    """What a task is: an operating system command, or a pickled Python callable."""

    COMMAND = "command"
    FUNCTION = "function"


class Stop(StrEnum):
    """Why a placement should end; NONE while it should run."""

    NONE = ""
    CANCEL = "cancel"
    PREEMPT = "preempt"


class Wanted(StrEnum):
    """What people want of a scheduler: serve, claim nothing for now, or finish what it holds and end."""

    RUN = "run"
    HOLD = "hold"
    DRAIN = "drain"


class Operator(StrEnum):
    """How a constraint compares a machine's attribute with its values."""

    EQ = "="
    NE = "!="
    IN = "in"
    NOT_IN = "not in"
    EXISTS = "exists"
    GT = ">"
    LT = "<"


class Reason(IntEnum):
    """Why a claim was refused (in part or whole). 1 to 19 are conflicts in Omega's sense."""

    ACCEPTED = 0
    CPU = 1
    MEMORY = 2
    DISK = 3
    DEVICE = 4
    CUSTOM = 5
    VICTIM_GONE = 6
    SEQUENCE = 10
    MACHINE_DOWN = 20
    MACHINE_CORDONED = 21
    MACHINE_UNKNOWN = 22
    MACHINE_RESERVED = 23
    JOB_NOT_CLAIMED = 30
    NOTHING_TO_PLACE = 31
    VICTIM_PROTECTED = 32
    GROUP = 40
    GANG = 41
    TOKEN_LOST = 50

    @property
    def conflict(self) -> bool:
        """Whether a rival caused it: the claim no longer fits, or the machine was claimed since."""
        return 1 <= self.value <= 19
