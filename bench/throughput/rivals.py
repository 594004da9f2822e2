"""One scheduler process: a lease and jobs of its own, and on the same machines as its rivals.

It commits its prepared claims one transaction after another and thinks about nothing in between. What a rival
refuses it tries again at once, with the rows that the verdict brought, until it is placed. Where it may be refused
it also syncs before each new job, as every scheduler does: otherwise it would see no rival's claim until it lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from omegacell.bench.throughput import features
from omegacell.bench.throughput.features import Draft
from omegacell.bench.throughput.figures import Work
from omegacell.bench.throughput.plan import LEASE_SECONDS, Combination, Feature
from omegacell.bench.throughput.session import Run
from omegacell.bench.throughput.verdicts import IncorrectResult, placed
from omegacell.cellstate.model import MachineRows, Submission, Verdict
from omegacell.cellstate.postgres import PostgresStore
from omegacell.schedulers import metrics

_MACHINES_A_CALL = 2_000
"""store.preemptible is for a few thousand at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """The part of one of `combination.schedulers` processes; transactions are measured after `warm` others."""

    dsn: str
    schema: str
    number: int
    combination: Combination
    transactions: int
    warm: int
    seed: int

    @contextmanager
    def prepared(self) -> Iterator[Run]:
        """Jobs submitted and claimed, claims drawn, and the first few transactions committed."""
        with closing(PostgresStore(self.dsn, schema=self.schema)) as store:
            session = _Session(self, store)
            session.commit(self.warm)
            yield lambda: session.commit(self.transactions)


class _Session:
    def __init__(self, part: Rival, store: PostgresStore) -> None:
        self._part = part
        self._store = store
        name = f"bench-{part.number}"
        self._lease = store.register_scheduler(name, name, lease_seconds=LEASE_SECONDS)
        spec = features.job(part.combination, name)
        count = part.warm + part.transactions
        store.submit([Submission(submission_id=uuid4(), spec=spec) for _ in range(count)])
        claimed = store.claim_jobs(self._lease.holder_id, self._lease.token, limit=count)
        changes = store.sync(None)
        self._watermark = changes.watermark
        self._seen = np.zeros(int(changes.rows.machine_id.max()) + 1, dtype=np.int64)
        self._see(changes.rows)
        drafts = self._drafts(changes.rows, count)
        self._ahead = iter([(job.job_id, draft) for job, draft in zip(claimed, drafts, strict=True)])

    def commit(self, jobs: int) -> Work:
        """Place so many jobs; every transaction that it took."""
        done = _Record()
        for _ in range(jobs):
            job_id, draft = next(self._ahead)
            if self._part.combination.competing:
                self._sync()
            self._place(job_id, draft, done)
        return done.work()

    def _place(self, job_id: int, draft: Draft, done: _Record) -> None:
        """Commit the draft, and what is refused of it again, until all of it is placed."""
        part = self._part
        tasks = features.tasks_per_slot(part.combination.feature)
        # A claim is refused only if a rival's was accepted since, and they have so many in all.
        attempts_at_most = (
            1 + part.combination.schedulers * (part.warm + part.transactions) * part.combination.claims
        )
        for _ in range(attempts_at_most):
            transaction = draft.transaction(self._lease, job_id, seen=self._seen, tasks=tasks)
            started = time.monotonic()
            verdict = self._store.commit(transaction)
            done.add(started, time.monotonic(), verdict)
            self._see(verdict.rows)
            accepted = placed(part.combination, transaction, verdict)
            if accepted.all():
                return
            draft = draft.only(~accepted)
        raise IncorrectResult(
            f"{part.combination}: job j{job_id} is not placed after {attempts_at_most} transactions, expected a "
            "rival's success for every refusal"
        )

    def _drafts(self, rows: MachineRows, count: int) -> list[Draft]:
        combination = self._part.combination
        rng = np.random.default_rng((self._part.seed, self._part.number))
        if combination.feature is not Feature.VICTIMS:
            return features.drafts(combination.feature, rows, claims=combination.claims, count=count, rng=rng)
        machines = np.array_split(rows.machine_id, -(-len(rows.machine_id) // _MACHINES_A_CALL))
        found = [self._store.preemptible(some, below=features.PRIORITY) for some in machines]
        own = features.victim_claims(found, number=self._part.number, of=combination.schedulers)
        return features.victim_drafts(own, claims=combination.claims, count=count, rng=rng)

    def _sync(self) -> None:
        changes = self._store.sync(self._watermark)
        self._watermark = changes.watermark
        self._see(changes.rows)

    def _see(self, rows: MachineRows) -> None:
        self._seen[rows.machine_id] = rows.claim_sequence


class _Record:
    """What a session has done so far."""

    def __init__(self) -> None:
        self._started: list[float] = []
        self._ended: list[float] = []
        self._slots: list[int] = []
        self._tasks: list[int] = []
        self._conflicted: list[bool] = []

    def add(self, started: float, ended: float, verdict: Verdict) -> None:
        """One transaction."""
        self._started.append(started)
        self._ended.append(ended)
        self._slots.append(int(verdict.accepted.sum()))
        self._tasks.append(int(verdict.tasks.sum()))
        self._conflicted.append(metrics.transaction_failed(verdict))

    def work(self) -> Work:
        """All of them."""
        return Work(
            started=np.array(self._started),
            ended=np.array(self._ended),
            slots=np.array(self._slots, dtype=np.int64),
            tasks=np.array(self._tasks, dtype=np.int64),
            conflicted=np.array(self._conflicted, dtype=np.bool_),
        )
