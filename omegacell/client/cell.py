"""The cell in the user's hand: submit jobs, find them again, look at machines and schedulers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import (
    Event,
    JobState,
    JobStatus,
    MachineStatus,
    Purged,
    Reservation,
    SchedulerStatus,
    Submitted,
    Violation,
    Wanted,
)
from omegacell.cellstate.spec import Job, Service
from omegacell.cellstate.store import Store
from omegacell.cellstate.units import parse_seconds
from omegacell.client import conflicts, events, services, submitting
from omegacell.client.handles import JobHandle, Link
from omegacell.client.ids import parse_job
from omegacell.client.kinds import check_policy
from omegacell.client.waiting import Pauses
from omegacell.client.watcher import Watcher
from omegacell.client.written import as_job, as_service, as_states, check_count

if TYPE_CHECKING:
    from omegacell.executor import Executor


class Cell:
    """A cell, through its store. connect() and local() make it; use it as a context manager or close() it."""

    def __init__(
        self,
        store: Store,
        *,
        pauses: Pauses,
        dsn: str = "",
        announce: Callable[[str], None] = lambda topic: None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`announce` sends a hint on a topic; `close` gives back what the cell has beside the store."""
        self.store = store
        self.pauses = pauses
        self._dsn = dsn
        self._announce = announce
        self._close = close
        self._link = Link(store=store, pauses=pauses, announce=announce, watcher=Watcher(store, pauses))

    # Jobs in

    def submit(
        self,
        spec: Job | Mapping[str, Any] | None = None,
        /,
        *more: Any,
        connection: Any = None,
        **fields: Any,
    ) -> JobHandle:
        """Store one job, given as a Job, as a mapping, or as the fields of a Job; durable when it returns.

        With `connection`, the caller's own psycopg or SQLAlchemy connection, the job exists when its
        transaction commits.
        """
        if more and not callable(spec):
            raise SpecInvalid(f"submit takes one job, but {1 + len(more)} were given; use submit_many()")
        submitted = submitting.submit(self.store, [as_job(spec, fields)], connection)
        return self._submitted(submitted, hint=connection is None)[0]

    def submit_many(
        self, specs: Iterable[Job | Mapping[str, Any]], *, connection: Any = None
    ) -> list[JobHandle]:
        """Store jobs, all or none, in one go; handles in the same order.

        They may come `after` each other, by name or as the Job objects that they are.
        """
        submitted = submitting.submit(self.store, [as_job(spec, {}) for spec in specs], connection)
        return self._submitted(submitted, hint=connection is None)

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobHandle:
        """Run function(*args, **kwargs) in the cell; result() of the handle gives what it returned."""
        return self._submitted([submitting.submit_call(self.store, function, args, kwargs)])[0]

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], /, **fields: Any) -> JobHandle:
        """Run function(item) for each item, as one array; results() of the handle gives them in order.

        `fields` are those of Job: name, resources, retries ... Without items it has succeeded at once.
        """
        return self._submitted([submitting.submit_map(self.store, function, items, fields)])[0]

    def executor(
        self,
        /,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        name: str = "executor",
        detach: bool = False,
        **fields: Any,
    ) -> Executor:
        """A concurrent.futures.Executor that runs what is submitted to it in the cell; `fields` are those of Job."""
        from omegacell.executor import Executor

        return Executor(
            max_workers,
            cell=self,
            initializer=initializer,
            initargs=initargs,
            name=name,
            detach=detach,
            **fields,
        )

    def _submitted(self, submitted: Iterable[Submitted], *, hint: bool = True) -> list[JobHandle]:
        if hint:
            self.announce("jobs")
        return [JobHandle(self._link, one.job_id, created=one.created) for one in submitted]

    # Services

    def apply(self, service: Service | Mapping[str, Any] | None = None, /, **fields: Any) -> JobHandle:
        """Keep a service running, given as a Service, as a mapping, or as the fields of a Service.

        The same again is no change. Of a changed one replicas, labels and priority are applied; KeyConflict, naming
        the fields, for anything else (cancel it first).
        """
        applied = services.apply(self.store, as_service(service, fields))
        if applied.altered:
            self.announce("placements")
        return self._submitted([applied.submitted])[0]

    def services(self) -> tuple[JobStatus, ...]:
        """The services that run or wait to, by namespace and name."""
        return services.live(self.store)

    def service(self, name: str, namespace: str = "default") -> JobHandle:
        """The handle of a live service by its name; NotFound if there is none."""
        return self.job(services.find(self.store, name, namespace))

    # Jobs again

    def job(self, job_id: str | int) -> JobHandle:
        """The handle of a job by its id ("j4711" or 4711), from any process; NotFound if there is none."""
        number = parse_job(job_id)
        self.store.job(number)
        return JobHandle(self._link, number, created=False)

    def jobs(
        self,
        *,
        state: JobState | str | Iterable[JobState | str] = (),
        labels: Mapping[str, str] | None = None,
        limit: int = 100,
    ) -> tuple[JobStatus, ...]:
        """The newest jobs first: of these states (any, if none is named), with all these labels."""
        if limit < 1:
            raise SpecInvalid(f"limit={limit} is too small; expected at least 1")
        return self.store.jobs(states=as_states(state), labels=labels, limit=limit)

    def cancel(self, job_id: str | int) -> JobStatus:
        """End a job: place nothing more, stop what runs."""
        return self.job(job_id).cancel()

    # Machines

    def machines(self) -> tuple[MachineStatus, ...]:
        """All machines by id, with what they have and what is used."""
        return self.store.machines()

    def reservations(self) -> tuple[Reservation, ...]:
        """The machines that are kept for a gang now, by machine."""
        return self.store.reservations()

    def drain(self, machine: str, *, evict: bool = True) -> MachineStatus:
        """Give a machine nothing new, and with `evict` run what it has elsewhere; NotFound if unknown."""
        status = self.store.drain(machine, evict=evict)
        self.announce("placements")
        return status

    def uncordon(self, machine: str) -> MachineStatus:
        """Let a drained machine take tasks again."""
        status = self.store.uncordon(machine)
        self.announce("jobs")
        return status

    # Schedulers, by name; they obey with their next renewal

    def schedulers(self) -> tuple[SchedulerStatus, ...]:
        """All schedulers by id, with what they did since they registered."""
        return self.store.schedulers()

    def hold_scheduler(self, name: str) -> SchedulerStatus:
        """Let it claim nothing more until it is released, also when it is started again."""
        return self._control(name, wanted=Wanted.HOLD)

    def release_scheduler(self, name: str) -> SchedulerStatus:
        """Let a held scheduler serve again."""
        return self._control(name, wanted=Wanted.RUN)

    def drain_scheduler(self, name: str) -> SchedulerStatus:
        """Let it finish what it holds, and end."""
        return self._control(name, wanted=Wanted.DRAIN)

    def set_policy(self, name: str, policy: str) -> SchedulerStatus:
        """Let it place with another policy, by name or package.module:Name; "" for its own. PolicyError if unknown."""
        check_policy(policy, f"scheduler {name!r}")
        return self._control(name, policy=policy)

    def _control(
        self, name: str, *, wanted: Wanted | None = None, policy: str | None = None
    ) -> SchedulerStatus:
        """Tell a scheduler, with a hint that makes it ask at once: else it hears with its next renewal."""
        status = self.store.control_scheduler(name, wanted=wanted, policy=policy)
        self.announce("control")
        return status

    def scale_schedulers(self, kind: str, count: int) -> None:
        """Have so many schedulers of a kind; the keeper of a local cell starts and ends them."""
        check_count("count", count, "schedulers")
        self.store.set_fleet(kind, count)

    # The cell itself

    def conflicts(
        self, *, by: Iterable[str] = ("machine",), since: float | str = "5m"
    ) -> list[conflicts.ConflictRow]:
        """Claims that lost to another scheduler's in the last 5 minutes or `since`, where there were most first.

        Added up `by` one or more of machine, rival (whose claim was first), dimension (what no longer fitted) and
        scheduler (whose claim lost).
        """
        return conflicts.rows(self.store, by, time.time() - parse_seconds(since, "since"))

    def events(self) -> Iterator[Event]:
        """Everything that happens in the cell from this call on; waits for the next, without end."""
        return events.stream(self.store, self.pauses)

    def announce(self, topic: str) -> None:
        """Wake those who listen on a topic (cellstate/hints.py): there is news for them in the store."""
        self._announce(topic)

    @property
    def dsn(self) -> str:
        """Where its database is, with the password, for connections of one's own; "" for a store without."""
        return self._dsn

    def check(self) -> tuple[Violation, ...]:
        """Every broken invariant of the cell; empty is good. What `omega fsck` shows."""
        return self.store.check()

    def purge(self, *, older_than: float | str) -> Purged:
        """Forget jobs that ended longer ago than that ("30d", or seconds), with all that is kept of them.

        The log and the outcomes go by whole days; those of today and yesterday stay. What it took away.
        """
        return self.store.purge(older_than_seconds=parse_seconds(older_than, "older_than"))

    def close(self) -> None:
        """Give back the connections; a local cell is stopped."""
        self._link.watcher.close()
        self.pauses.close()
        self.store.close()
        self._close()

    def __enter__(self) -> Self:
        """Itself; leaving closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Where its database is; without the password, for logs show it."""
        if not self._dsn:
            return "<Cell>"
        from omegacell.cellstate.postgres.connection import where

        return f"<Cell {where(self._dsn)}>"
