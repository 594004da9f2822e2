"""What --json of commands on the cell, its machines and its schedulers holds, as replies.py has that of jobs."""

from __future__ import annotations

from dataclasses import dataclass

from omegacell.cellstate.model import (
    EventKind,
    MachineStatus,
    Purged,
    Reservation,
    SchedulerStatus,
    Violation,
)
from omegacell.client.conflicts import ConflictRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """omega machines: all by id, and what is reserved."""

    machines: tuple[MachineStatus, ...]
    reservations: tuple[Reservation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneMachine:
    """omega drain, uncordon: the machine after it."""

    machine: MachineStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedulers:
    """omega schedulers: all by id, with what they did since they registered."""

    schedulers: tuple[SchedulerStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneScheduler:
    """omega scheduler hold, release, drain, policy: the scheduler, with what is now wanted of it."""

    scheduler: SchedulerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """omega scheduler scale: how many of a kind the keeper of the local cell is to keep."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicts:
    """omega conflicts: claims refused for a conflict in the last so many seconds, added up by `by`, most first."""

    by: tuple[str, ...]
    since_seconds: float
    conflicts: tuple[ConflictRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """omega events, one line of the stream: names of what it speaks of, "" for what it does not.

    Of "placed" and "refused": the scheduler's claim of so many slots, and the reason of a refusal.
    """

    at: float
    kind: EventKind
    job: str
    machine: str
    scheduler: str
    count: int
    reason: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """omega policies: what is installed here."""

    policies: tuple[str, ...]
    scheduler_kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """omega fsck: every broken invariant; none is good."""

    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """omega purge: what it took away."""

    purged: Purged


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """omega version: of omegacell, and of the database schema that it speaks."""

    version: str
    database_schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """omega db upgrade: the PostgreSQL schema, and its version now."""

    schema: str
    database_schema: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """omega up: the process that keeps the cell, and where it is."""

    pid: int
    data_dir: str
    runtime: str
    dsn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """omega down: whether there was a cell, and its process (0 if not)."""

    stopped: bool
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifiers:
    """What the demo's callables counted, and the ten most used names with how often."""

    files: int
    tokens: int
    most_common: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommands:
    """What the demo's shell commands counted."""

    count: int
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacons:
    """The demo's service: the process of it that was killed, and the one that took its place."""

    replicas: int
    killed_pid: int
    successor_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """omega demo: what its three parts did; problems say what did not go as it should."""

    identifiers: Identifiers
    shell_commands: ShellCommands
    service: Beacons
    schedulers: tuple[SchedulerStatus, ...]
    violations: tuple[Violation, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaNames:
    """omega schema without a command: the commands whose --json has one."""

    commands: tuple[str, ...]
