"""The cell in the user's hand: submit jobs, find them again, look at machines and schedulers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from omegacell.cellstate.errors import KeyConflict, SpecInvalid
from omegacell.cellstate.model import (
    JobSpec,
    JobState,
    JobStatus,
    MachineStatus,
    Purged,
    Reservation,
    SchedulerStatus,
    Submission,
    Violation,
)
from omegacell.cellstate.spec import Job, Service
from omegacell.cellstate.store import Store
from omegacell.cellstate.units import parse_seconds
from omegacell.client import pickling, services
from omegacell.client.handles import JobHandle
from omegacell.client.ids import parse_job
from omegacell.client.kinds import with_known_kinds
from omegacell.client.surroundings import with_surroundings
from omegacell.client.waiting import Pauses


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
        self._dsn = dsn
        self._pauses = pauses
        self._announce = announce
        self._close = close

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
        return self._submit([_job(spec, fields)], connection)[0]

    def submit_many(
        self, specs: Iterable[Job | Mapping[str, Any]], *, connection: Any = None
    ) -> list[JobHandle]:
        """Store jobs, all or none, in one go; handles in the same order."""
        return self._submit([_job(spec, {}) for spec in specs], connection)

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobHandle:
        """Run function(*args, **kwargs) in the cell; result() of the handle gives what it returned."""
        spec, _ = Job(function=function).compile(pickling.dump)
        return self._store_all([(spec, (pickling.dump((args, kwargs)),))], None)[0]

    def map(self, function: Callable[[Any], Any], items: Iterable[Any], /, **fields: Any) -> JobHandle:
        """Run function(item) for each item, as one array; results() of the handle gives them in order.

        `fields` are those of Job: name, resources, retries ...
        """
        job = Job(function=function, each=items, **fields)
        if not job.each:
            raise SpecInvalid("items is empty; map needs at least one item")
        return self.submit(job)

    def apply(self, service: Service | Mapping[str, Any] | None = None, /, **fields: Any) -> JobHandle:
        """Keep a service running, given as a Service, as a mapping, or as the fields of a Service.

        The same again is no change; a changed one is refused (cancel it first).
        """
        spec = _service(service, fields).compile()
        key, running = services.key_and_running(self.store, spec)
        try:
            return self._store_all([(services.labelled(spec, key), ())], None)[0]
        except KeyConflict as error:
            raise KeyConflict(
                f"service {spec.name!r} runs as job {running} and differs in {', '.join(error.fields)}; "
                f"a running service cannot be changed in this version: cancel job {running}, then apply",
                error.fields,
            ) from None

    def _submit(self, jobs: Sequence[Job], connection: Any) -> list[JobHandle]:
        return self._store_all([job.compile(pickling.dump) for job in jobs], connection)

    def _store_all(
        self, compiled: Sequence[tuple[JobSpec, tuple[bytes, ...]]], connection: Any
    ) -> list[JobHandle]:
        """The only way into the store. Makes the submissions' ids: a retry stores nothing twice."""
        submissions = [
            Submission(
                submission_id=uuid.uuid4(),
                spec=with_surroundings(with_known_kinds(spec, self.store)),
                inputs=inputs,
            )
            for spec, inputs in compiled
        ]
        submitted = self.store.submit(submissions, connection=connection)
        if connection is None:
            self._announce("jobs")
        return [self._handle(one.job_id, created=one.created) for one in submitted]

    # Jobs again

    def job(self, job_id: str | int) -> JobHandle:
        """The handle of a job by its id ("j4711" or 4711), from any process; NotFound if there is none."""
        number = parse_job(job_id)
        self.store.job(number)
        return self._handle(number, created=False)

    def jobs(
        self,
        *,
        state: JobState | str | Sequence[JobState | str] = (),
        labels: Mapping[str, str] | None = None,
        limit: int = 100,
    ) -> tuple[JobStatus, ...]:
        """The newest jobs first: of these states (any, if none is named), with all these labels."""
        if limit < 1:
            raise SpecInvalid(f"limit={limit} is too small; expected at least 1")
        written = [state] if isinstance(state, str) else list(state)
        return self.store.jobs(states=[_state(one) for one in written], labels=labels, limit=limit)

    def cancel(self, job_id: str | int) -> JobStatus:
        """End a job: place nothing more, stop what runs."""
        return self.job(job_id).cancel()

    def _handle(self, job_id: int, *, created: bool) -> JobHandle:
        return JobHandle(self.store, self._pauses, self._announce, job_id, created=created)

    # The cell itself

    @property
    def dsn(self) -> str:
        """Where its database is, with the password, for connections of one's own; "" for a store without."""
        return self._dsn

    def machines(self) -> tuple[MachineStatus, ...]:
        """All machines by id, with what they have and what is used."""
        return self.store.machines()

    def reservations(self) -> tuple[Reservation, ...]:
        """The machines that are kept for a gang now, by machine."""
        return self.store.reservations()

    def schedulers(self) -> tuple[SchedulerStatus, ...]:
        """All schedulers by id, with what they did since they registered."""
        return self.store.schedulers()

    def drain(self, machine: str, *, evict: bool = True) -> MachineStatus:
        """Give a machine nothing new, and with `evict` run what it has elsewhere; NotFound if unknown."""
        status = self.store.drain(machine, evict=evict)
        self._announce("placements")
        return status

    def uncordon(self, machine: str) -> MachineStatus:
        """Let a drained machine take tasks again."""
        status = self.store.uncordon(machine)
        self._announce("jobs")
        return status

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
        self._pauses.close()
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


def _job(spec: Job | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> Job:
    match spec:
        case None:
            return Job(**fields)
        case Job() if fields:
            raise SpecInvalid(
                f"a Job and the fields {', '.join(sorted(fields))} were both given; put them into the Job"
            )
        case Job():
            return spec
        case Service():
            raise SpecInvalid(f"service {spec.name!r} cannot be submitted; use apply()")
        case Mapping():
            return Job(**_named({**spec, **fields}))
        case _ if callable(spec):
            name = getattr(spec, "__name__", repr(spec))
            raise SpecInvalid(
                f"function {name} cannot be submitted like this; use cell.call({name}, ...) to run it once, "
                f"or cell.map({name}, items) to run it for each item"
            )
        case _:
            raise SpecInvalid(
                f"{spec!r} cannot be submitted; expected a Job, a mapping, or the fields of a Job"
            )


def _service(written: Service | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> Service:
    match written:
        case None:
            return Service(**fields)
        case Service() if fields:
            raise SpecInvalid(
                f"a Service and the fields {', '.join(sorted(fields))} were both given; put them into the Service"
            )
        case Service():
            return written
        case Job():
            raise SpecInvalid(f"job {written.name!r} cannot be applied; use submit()")
        case Mapping():
            return Service(**_named({**written, **fields}))
        case _:
            raise SpecInvalid(
                f"{written!r} cannot be applied; expected a Service, a mapping, or the fields of a Service"
            )


def _named(fields: Mapping[Any, Any]) -> dict[str, Any]:
    for name in fields:
        if not isinstance(name, str):
            raise SpecInvalid(f"field {name!r} is no text; expected the names of fields")
    return dict(fields)


def _state(written: JobState | str) -> JobState:
    try:
        return JobState(written)
    except ValueError:
        known = ", ".join(one.value for one in JobState)
        raise SpecInvalid(f"state {written!r} is unknown; expected one of {known}") from None
