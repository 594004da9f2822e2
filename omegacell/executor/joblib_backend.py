"""joblib's Parallel over a cell: each call is an executor of its own, so one job."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from copy import copy
from typing import Any

from joblib.parallel import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.spec import Resources
from omegacell.client.cell import Cell
from omegacell.executor.calls import Pickle, pickled
from omegacell.executor.executor import Executor
from omegacell.executor.remote import Part

_PART_BYTES = 2**16
"""An argument this large is worth a reference; smaller ones travel with their tasks."""


class OmegaBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # joblib has no types
    """joblib.parallel_config(backend="omegacell", cell=..., **fields of Job); without a cell it connects.

    n_jobs=-1 is as many tasks as the cell's CPUs hold at a time. Inside a task, calls of joblib see as many CPUs as
    the task has (one, unless `resources` say otherwise).
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        *,
        cell: Cell | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._cell = cell
        self._fields = {"name": "joblib", **fields}
        self._cpu_milli = _resources(fields.get("resources")).amounts().cpu_milli
        self._executor: Executor | None = None
        self._parts = _Parts()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """So many tasks at a time; negative ones count down from what the cell's CPUs hold."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        return n_jobs if n_jobs > 0 else max(1, self._room() + 1 + n_jobs)

    def configure(
        self, n_jobs: int = 1, parallel: Any = None, prefer: Any = None, require: Any = None, **unused: Any
    ) -> int:
        """Open the job of one call of Parallel; what joblib says of memory maps has no meaning across machines."""
        found = self.effective_n_jobs(n_jobs)
        if found == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        fields = {**self._fields, "env": {**self._environment(), **self._fields.get("env", {})}}
        self._parts = _Parts()
        self._executor = Executor(found, cell=self._connected(), **fields)
        return found

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any] | None = None) -> Future[Any]:
        """One batch as one task."""
        assert self._executor is not None
        parts, batch = self._parts.taken_out(func)
        future = self._executor.submit_with(parts, _run, batch)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """What the batch gave; raises what it raised."""
        return out.result()

    def terminate(self) -> None:
        """The call is over."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)
        self._parts = _Parts()
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """The call has failed: end what still runs."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
            if executor.job:
                self._connected().cancel(executor.job)
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        """A task of one CPU does one thing at a time; others use threads, as joblib does."""
        if self._cpu_milli < 2000:
            return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None
        found: tuple[ParallelBackendBase, int | None] = super().get_nested_backend()
        return found

    def __reduce__(self) -> Any:
        """Without its connection: where it is unpickled it finds a cell of its own."""
        return _again, (self.nesting_level, self.inner_max_num_threads, self._fields)

    def _environment(self) -> dict[str, str]:
        """What nested calls and numerical libraries take for the number of CPUs."""
        known = {"LOKY_MAX_CPU_COUNT": str(max(1, self._cpu_milli // 1000))}
        if self.inner_max_num_threads is not None:
            known |= dict.fromkeys(self.MAX_NUM_THREADS_VARS, str(self.inner_max_num_threads))
        return known

    def _room(self) -> int:
        """How many tasks the cell's CPUs hold."""
        machines = [one for one in self._connected().machines() if one.schedulable and one.up]
        if not self._cpu_milli:
            return sum(one.capacity.cpu_milli // 1000 for one in machines)
        return sum(one.capacity.cpu_milli // self._cpu_milli for one in machines)

    def _connected(self) -> Cell:
        if self._cell is None:
            from omegacell.client.connecting import connect

            self._cell = connect()
            weakref.finalize(self, self._cell.close)
        return self._cell


class _Parts:
    """Large arguments that the batches of one call share: each is pickled once, and travels once where it can.

    Recognized by identity, and as it was when first met, as joblib does with its memory maps.
    """

    def __init__(self) -> None:
        self._met: dict[int, tuple[object, Pickle]] = {}

    def taken_out(self, batch: Any) -> tuple[list[Pickle], Any]:
        """What a batch shares with others, and the batch with references in its place."""
        parts: dict[bytes, Pickle] = {}

        def light(value: object) -> object:
            if _size(value) < _PART_BYTES:
                return value
            if id(value) not in self._met:
                self._met[id(value)] = value, pickled(value)
            part = self._met[id(value)][1]
            parts[part.key] = part
            return Part(part.key)

        lighter = copy(batch)
        lighter.items = [
            (function, [light(one) for one in args], {name: light(one) for name, one in kwargs.items()})
            for function, args, kwargs in batch.items
        ]
        return list(parts.values()), lighter


def _size(value: object) -> int:
    """About how many bytes its data take: of arrays, sparse matrices, data frames, texts."""
    sizes = [getattr(value, "nbytes", 0), getattr(getattr(value, "data", None), "nbytes", 0)]
    return max(sys.getsizeof(value, 0), *(size for size in sizes if isinstance(size, int)), 0)


def _again(nesting_level: int | None, threads: int | None, fields: dict[str, Any]) -> OmegaBackend:
    return OmegaBackend(nesting_level, threads, **fields)


def _run(batch: Callable[[], Any]) -> Any:
    return batch()


def _resources(written: Any) -> Resources:
    match written:
        case None:
            return Resources()
        case Resources():
            return written
        case dict():
            return Resources(**written)
        case _:
            raise SpecInvalid(f"resources={written!r} cannot be used; expected for instance Resources(cpu=2)")
