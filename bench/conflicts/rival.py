"""One scheduler process: the loop that serves a cell, with a scheduler of the scenario's kind, watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from omegacell.bench.conflicts.watch import Notes, Watched, WatchedStore, Watching
from omegacell.bench.throughput.crew import CrewFailed
from omegacell.cellstate.hints import Listener
from omegacell.schedulers import kinds
from omegacell.schedulers.config import SchedulerConfig
from omegacell.schedulers.loop import Loop

_CHOICES = 2
"""A stream of its own: the simulator fills the cell with the first of the seed."""

LOAD_SECONDS = 60.0
"""A cell of 100,000 machines is read in a few."""

LEASE_SECONDS = 60.0
POLL_SECONDS = 0.1
"""An idle scheduler also looks for jobs whose back-off is over, which nobody tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One of the schedulers called `sort` in the scenario; `kind` and `policy` as the scenario names them."""

    dsn: str
    schema: str
    sort: str
    kind: str
    number: int
    policy: str
    config: SchedulerConfig
    seconds: float
    seed: int

    @contextmanager
    def prepared(self) -> Iterator[Callable[[], Watched]]:
        """Registered, and the whole cell read; it takes jobs once told to go, and for `seconds`."""
        name = f"{self.sort}-{self.number}"
        loaded = threading.Event()
        with ExitStack() as stack:
            store = WatchedStore(self.dsn, schema=self.schema)
            stack.callback(store.close)
            listener = Listener(self.dsn, self.schema, ["jobs"])
            stack.callback(listener.close)
            notes = Notes(store, loaded.set)
            loop = Loop(
                store,
                type("Watched", (Watching, kinds.load(self.kind)), {"kind": self.sort, "notes": notes}),
                name=name,
                rng=np.random.default_rng([self.seed, _CHOICES, self.number]),
                policy=self.policy,
                config=replace(self.config, lease_seconds=LEASE_SECONDS, poll_seconds=POLL_SECONDS),
                wakeup=listener,
            )
            store.over = loop.stop
            pool = stack.enter_context(ThreadPoolExecutor(1))
            running = pool.submit(loop.run)
            stack.callback(loop.stop)
            _wait(loaded, running, name)

            def run() -> Watched:
                store.until = time.monotonic() + self.seconds
                store.opened = True
                running.result()
                return notes.watched(name=name, sort=self.sort)

            yield run


def _wait(loaded: threading.Event, running: Future[None], name: str) -> None:
    """Until it knows the cell; raises what stopped it."""
    running.add_done_callback(lambda _: loaded.set())
    if not loaded.wait(LOAD_SECONDS):
        raise CrewFailed(f"scheduler {name} had not read the cell after {LOAD_SECONDS:g} s")
    if running.done():
        running.result()
        raise CrewFailed(f"scheduler {name} ended before it was told to begin")
