"""What the author of a placement policy sees: a request, the cell, and the plan to return.

A policy is any object of one of two shapes; it inherits nothing.

`place`, for one job's identical tasks at once:

    class Leftmost:
        def place(self, request, cell, rng):
            room = feasible.room(request, cell)                       # int64[M], tasks that fit, by machine
            slots = fill.in_order(room, request.count)                # as many as are wanted, from the left
            rows = np.flatnonzero(slots)
            return Plan(rows=rows, slots=slots[rows])

`score`, and `filter` if wanted; the framework (score.py) packs, spreads and breaks ties:

    class FreestCpu:
        def score(self, request, cell, rows):
            return cell.free("cpu_milli")[rows].astype(float)         # higher is better

A class is found by its entry point in group `omegacell.policies`, by `package.module:Name`, or passed as an
object. It must be deterministic given `rng`, do no I/O and ask no clock. One that raises or plans what is
not allowed costs the job that attempt, with the reason kept for `explain`, and never the scheduler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from omegacell.cellstate.model import AntiAffinity, Bool, ClaimedJob, Constraint, Int64
from omegacell.cellstate.model.amounts import no_entries
from omegacell.cellstate.record import maker, record
from omegacell.cellstate.snapshot import AttributeColumn

Float64 = NDArray[np.float64]


@record()
class Request:
    """Identical tasks of one job that want a machine each; `count` of them in this attempt.

    amounts: int64[R], what one task takes, in the order of `cell.dimensions`; gpu_milli, of a device below
    DEVICE_MILLI, else whole devices; custom: (name, milli) of named resources. `spread` names the attribute
    over whose values the tasks should be spread, "" for none; it is a wish, all else is binding.
    `expected_duration_seconds` is 0 where the submitter gave none. Where slots hold several tasks in a row,
    a slot is what is meant by a task here.
    """

    job_id: int
    count: int
    amounts: Int64
    constraints: tuple[Constraint, ...] = ()
    anti_affinity: tuple[AntiAffinity, ...] = ()
    spread: str = ""
    priority: int = 100
    service: bool = False
    expected_duration_seconds: float = 0.0
    gpu_milli: int = 0
    custom: tuple[tuple[str, int], ...] = ()

    @property
    def simple(self) -> bool:
        """Whether room in the dimensions, on a machine that is to be had, is all that it asks for."""
        return not (self.constraints or self.anti_affinity or self.gpu_milli or self.custom)

    @staticmethod
    def of(job: ClaimedJob, count: int) -> Request:
        """`count` tasks of a claimed job."""
        return _request(
            job_id=job.job_id,
            count=count,
            amounts=job.amounts.vector(),
            constraints=job.constraints,
            anti_affinity=job.anti_affinity,
            spread=job.spread,
            priority=job.priority,
            service=job.service,
            expected_duration_seconds=job.expected_duration_seconds,
            gpu_milli=job.amounts.gpu_milli,
            custom=job.amounts.custom,
        )


_request = maker(Request)


@record()
class Plan:
    """Where tasks should go: rows: int64[K], each row at most once; slots: int64[K], tasks on each (>= 1).

    devices: int64[K], a bit mask of the devices a row's one slot should have, 0 where the store may choose,
    empty where it may everywhere (a share then goes on the fullest device with room, which wastes least).
    Fewer slots than the request's count is a plan too: the rest found no room. `reasons` may say why in the
    policy's own words, with the number of machines each refused; the framework counts the hard filters
    itself.
    """

    rows: Int64
    slots: Int64
    devices: Int64 = field(default_factory=no_entries)
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def placed(self) -> int:
        """How many tasks the plan places."""
        return int(np.add.reduce(self.slots))


make_plan = maker(Plan)
"""Makes a Plan as its class does, and quicker."""

NOWHERE = Plan(rows=no_entries(), slots=no_entries())
"""The plan that places nothing."""


class CellView(Protocol):
    """The cell at one moment, read-only, over M machines; it already counts the attempt's earlier claims.

    Arrays are windows that change as the attempt goes on: copy what must stay. Writing to one raises.
    """

    @property
    def machines(self) -> int:
        """M, the number of machines, also of those that are down."""
        ...

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names of the R resource dimensions."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """The machines' names."""
        ...

    @property
    def machine_id(self) -> Int64:
        """int64[M]."""
        ...

    @property
    def available(self) -> Bool:
        """bool[M]: up and schedulable."""
        ...

    def available_to(self, request: Request) -> Bool:
        """bool[M]: available, and not kept for another job of no lower priority."""
        ...

    @property
    def free_matrix(self) -> Int64:
        """int64[M, R]."""
        ...

    @property
    def capacity_matrix(self) -> Int64:
        """int64[M, R]."""
        ...

    @property
    def largest(self) -> Int64:
        """int64[R]: the largest capacity in each dimension."""
        ...

    @property
    def device_free(self) -> Int64:
        """int64[M, D]: milli free on each device, -1 where a machine has no such device; D may be 0."""
        ...

    def free(self, dimension: str) -> Int64:
        """int64[M]: what is free in one dimension, on all devices ("gpu_milli"), or of a named resource.

        KeyError for a name that no machine has.
        """
        ...

    def free_named(self, name: str) -> Int64:
        """int64[M]: milli free of a named resource, zeros if no machine has it."""
        ...

    def capacity_named(self, name: str) -> Int64:
        """int64[M]: milli that there are of a named resource, zeros if no machine has it."""
        ...

    def capacity(self, dimension: str) -> Int64:
        """int64[M]: what there is in one dimension, on all devices ("gpu_milli"), or of a named resource."""
        ...

    def attribute(self, name: str) -> AttributeColumn:
        """An attribute's values as codes; "machine" is the machine's name."""
        ...

    def count(self, job: Request | int) -> Int64:
        """int64[M]: placements of a job of this attempt on each machine, its claims so far included.

        Placements of earlier attempts are known for jobs with anti-affinity or spread and for services.
        """
        ...


class TrialView(CellView, Protocol):
    """A view that the framework may try claims on; policies get it as a CellView."""

    def claim(self, request: Request, rows: Int64, slots: Int64, devices: Int64 | None = None) -> None:
        """Count these claims from now on; rows must be distinct; devices as in Plan."""
        ...

    def mark(self) -> int:
        """The present moment, for `rollback`."""
        ...

    def rollback(self, mark: int) -> None:
        """Forget the claims made since; costs what they touched."""
        ...


@runtime_checkable
class PlacePolicy(Protocol):
    """A policy that places all tasks of a request itself."""

    def place(self, request: Request, cell: CellView, rng: np.random.Generator) -> Plan:
        """Choose machines for up to `request.count` tasks."""
        ...


@runtime_checkable
class ScorePolicy(Protocol):
    """A policy that ranks machines; it may also have `filter(request, cell, rows) -> bool[K]`.

    The score of a row may depend on that row's state only. `packs = True` promises that placing a task on
    the best machine leaves it the best for as long as it fits; then all is done in one pass.
    """

    def score(self, request: Request, cell: CellView, rows: Int64) -> Float64:
        """float64[K], higher is better, for `rows: int64[K]`."""
        ...


Policy = PlacePolicy | ScorePolicy
