"""What runs slots of tasks, as the agent sees it: hand over slots, ask them to stop, hear how they went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from omegacell.cellstate.model import AttemptState, Ended, Kept, Placement, Stop, TaskDefinition
from omegacell.workers.cgroups import Place


class SlotKey(NamedTuple):
    """A slot's tasks in one attempt on one machine's epoch: what a report is compared with, never used twice."""

    job_id: int
    first_index: int
    attempt: int
    machine_id: int
    epoch: int

    def __str__(self) -> str:
        """As users write it: j7.3#1."""
        return f"j{self.job_id}.{self.first_index}#{self.attempt}"


def key_of(report: Placement | Ended | Kept) -> SlotKey:
    """The key of the slot that a placement or a report is about."""
    return SlotKey(report.job_id, report.first_index, report.attempt, report.machine_id, report.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """`count` tasks from key.first_index on, ready to be run one after another.

    `inputs` are their own data, one each if definition.has_inputs, else none. `devices` are numbered as the
    machine does, `host_devices` are the same ones as this host numbers them.
    """

    key: SlotKey
    machine: str
    definition: TaskDefinition
    count: int = 1
    inputs: Sequence[bytes] = ()
    devices: tuple[int, ...] = ()
    host_devices: tuple[int, ...] = ()

    @property
    def tells_start(self) -> bool:
        """Whether its runner says when it runs: with its ports, and not before it is well."""
        return bool(self.definition.ports) or self.definition.health.checked

    def input(self, index: int) -> bytes:
        """The data of task `index`, empty where there is none."""
        return self.inputs[index - self.key.first_index] if self.inputs else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a slot: all tasks that ended since its last report, and the one it goes on with, if any.

    `key` is the one it was started under, also once the store knows the slot by the task that was kept.
    `given_back` counts the tasks that did not begin and will not.
    """

    key: SlotKey
    ended: tuple[Ended, ...]
    kept: tuple[Kept, ...] = ()
    given_back: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A slot that tells its start runs now, on these ports by name, and is well."""

    key: SlotKey
    ports: tuple[tuple[str, int], ...] = ()


Word = Report | Running
"""What a runner says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """Where and how tasks run on this host.

    `base_env` is what every task's environment starts from. `grace_seconds` lies between the polite
    signal and the one that cannot be ignored. `groups_in` is where control groups can be made that limit memory,
    None where each process is limited instead.
    """

    log_directory: Path
    base_env: dict[str, str]
    log_tail_bytes: int = 16 * 2**10
    result_limit_bytes: int = 16 * 2**20
    grace_seconds: float = 5.0
    groups_in: Place | None = None
    log_file_bytes: int = 64 * 2**20
    log_file_retention_seconds: float = 7 * 86400.0


ReportHandler = Callable[[Sequence[Word]], None]
"""Called from the runner's own thread, with everything there is to report of one round."""


class Runner(Protocol):
    """Runs slots until they end or are stopped. Every method returns at once; the handler gets the reports.

    A slot is reported as a whole when it is over. One of several tasks that lasts longer than
    slots.SLOT_REPORT_SECONDS is reported once before, and goes on with the task that then runs, alone.
    That it runs is said only of one that tells its start.
    """

    def start(self, slots: Sequence[Slot]) -> None:
        """Run these. A task that cannot start ends as START_FAILED."""
        ...

    def stop(self, key: SlotKey, stop: Stop) -> None:
        """Begin no further task; terminate the one that runs, and kill it after the grace.

        It ends as CANCELLED or PREEMPTED. No effect if the key is unknown.
        """
        ...

    def kill(self, keys: Sequence[SlotKey]) -> None:
        """Kill at once, without grace; how they end is nobody's concern any more."""
        ...

    def kill_all(self) -> None:
        """Kill whatever was handed over before, and what is kept warm."""
        ...

    def lease_until(self, boottime: float) -> None:
        """Nothing may run past this time of CLOCK_BOOTTIME unless a later one is told before."""
        ...

    def idle(self, timeout_seconds: float) -> bool:
        """Wait until nothing runs; False if something still does after the timeout."""
        ...

    def close(self) -> None:
        """Kill what runs and give everything back."""
        ...


def stopped_state(stop: Stop) -> AttemptState:
    """How a task that was asked to stop ends."""
    return AttemptState.PREEMPTED if stop is Stop.PREEMPT else AttemptState.CANCELLED


def stopped_how(stop: Stop) -> str:
    """The same as a word for a sentence."""
    return "preempted" if stop is Stop.PREEMPT else "cancelled"


def printable(text: str) -> str:
    """Text that the store can keep: no NUL characters and no lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
