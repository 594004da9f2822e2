"""The process that serves the hollow machines: the real agent, whose tasks take their time and nothing else.

It first fills them as the simulator fills its own, so that both begin with the same room on every machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from omegacell.bench.throughput.figures import Work
from omegacell.bench.throughput.verdicts import IncorrectResult
from omegacell.cellstate.model import (
    Amounts,
    Ended,
    Int64,
    JobSpec,
    Kept,
    MachineSpec,
    Submission,
    TaskKind,
    Transaction,
)
from omegacell.cellstate.postgres import PostgresStore
from omegacell.workers.agent import Agent, AgentSettings
from omegacell.workers.hollow import HollowRunner

LEASE_SECONDS = 3600.0
PULL_SECONDS = 0.1
"""Between looks for placements: each costs the store a look at all machines, so not after every commit."""

_STANDING = "standing"
_READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is there from the start: `amounts` on each of these machines, rows from 0, once."""

    amounts: Amounts
    rows: tuple[int, ...]


class _HollowStore(PostgresStore):
    """An agent's store whose machines stay as they are when it leaves: the whole cell is dropped next."""

    left = False

    def report_ended(
        self, worker_id: int, token: int, ended: Sequence[Ended], *, kept: Sequence[Kept] = ()
    ) -> tuple[bool, ...]:
        """Until it leaves."""
        if self.left:
            return tuple(False for _ in ended)
        return super().report_ended(worker_id, token, ended, kept=kept)

    def release_worker(self, worker_id: int, token: int) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """The part of the process; `capacities` in row order, `standing` what fills them."""

    dsn: str
    schema: str
    capacities: tuple[Amounts, ...]
    standing: tuple[Standing, ...]
    seconds: float

    @contextmanager
    def prepared(self) -> Iterator[Callable[[], Work]]:
        """Registered and filled; once told to go, served for `seconds`."""
        with ExitStack() as stack:
            store = _HollowStore(self.dsn, schema=self.schema)
            stack.callback(store.close)
            agent = Agent(
                store,
                AgentSettings(
                    name="bench",
                    machines=tuple(
                        MachineSpec(name=f"m{row + 1}", capacity=capacity)
                        for row, capacity in enumerate(self.capacities)
                    ),
                    lease_seconds=LEASE_SECONDS,
                    poll_seconds=PULL_SECONDS,
                ),
                lambda handler: HollowRunner(math.inf, handler),
            )
            pool = stack.enter_context(ThreadPoolExecutor(1))
            serving = pool.submit(agent.run)

            def leave() -> None:
                store.left = True
                agent.stop()

            stack.callback(leave)
            if not agent.wait_ready(_READY_SECONDS):
                raise IncorrectResult(
                    f"{len(self.capacities)} machines were not up after {_READY_SECONDS:g} s"
                )
            fill(store, np.array([one.machine_id for one in agent.machines]), self.standing)

            def run() -> Work:
                time.sleep(self.seconds)
                leave()
                serving.result()
                return no_work()

            yield run


def fill(store: PostgresStore, machine_ids: Int64, standing: Sequence[Standing]) -> None:
    """Place what is there from the start, by a scheduler of its own: a job for each size."""
    if not standing:
        return
    lease = store.register_scheduler(_STANDING, _STANDING, lease_seconds=LEASE_SECONDS)
    submitted = store.submit(
        [
            Submission(
                submission_id=uuid4(),
                spec=JobSpec(
                    name=_STANDING,
                    kind=TaskKind.COMMAND,
                    command=("true",),
                    task_count=len(one.rows),
                    amounts=one.amounts,
                    scheduler=_STANDING,
                ),
            )
            for one in standing
        ]
    )
    store.claim_jobs(lease.holder_id, lease.token, limit=len(standing))
    for one, job in zip(standing, submitted, strict=True):
        rows = np.array(one.rows, dtype=np.int64)
        verdict = store.commit(
            Transaction(
                txn_id=uuid4(),
                scheduler_id=lease.holder_id,
                token=lease.token,
                job_id=np.full(len(rows), job.job_id),
                machine_id=machine_ids[rows],
                slots=np.ones(len(rows), dtype=np.int64),
                claim_sequence=np.zeros(len(rows), dtype=np.int64),
            )
        )
        if int(verdict.accepted.sum()) != len(rows):
            raise IncorrectResult(
                f"{int(verdict.accepted.sum())} of {len(rows)} machines are filled, expected all"
            )


def no_work() -> Work:
    """Of a process that commits nothing."""
    none, counts = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Work(started=none, ended=none, slots=counts, tasks=counts, conflicted=counts.astype(np.bool_))
