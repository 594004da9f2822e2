"""SchedulerStore on PostgreSQL: lease, claim jobs, follow the machines, commit, settle, reap."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from omegacell.cellstate.model import (
    Changes,
    ClaimedJob,
    Int64,
    Lease,
    MachineFacts,
    Preemptible,
    Renewal,
    Settlement,
    Transaction,
    Verdict,
    Wanted,
    Watermark,
)
from omegacell.cellstate.postgres import rows
from omegacell.cellstate.postgres.calls import Calls
from omegacell.cellstate.store import RESERVED_SECONDS_AT_MOST
from omegacell.cellstate.transactions import check_transaction

BEHIND_ROWS = 20_000
"""A reader with more log rows than this to catch up on loads everything: reading all machines is cheaper."""

REAP_AT_ONCE = 1_000
"""About a second's work: who reaps holds a lease of its own. The caller comes again while there is more."""


class SchedulerCalls(Calls):
    """The calls of schedulers; their contract is store.SchedulerStore's."""

    def register_scheduler(self, name: str, kind: str, *, lease_seconds: float) -> Lease:
        """Become the current incarnation of scheduler `name`."""
        self._keep_house()
        (row,) = self._connections.call("register_scheduler", name, kind, lease_seconds)
        return Lease(
            holder_id=row.scheduler_id,
            token=row.token,
            lease_seconds=lease_seconds,
            expires_at=row.expires_at,
        )

    def renew_scheduler(
        self, scheduler_id: int, token: int, *, busy_seconds: float, attempts: int
    ) -> Renewal:
        """Extend the lease, report totals since registration, and learn what people want."""
        (row,) = self._connections.call("renew_scheduler", scheduler_id, token, busy_seconds, attempts)
        return Renewal(expires_at=row.expires_at, wanted=Wanted(row.wanted), policy=row.policy)

    def release_scheduler(self, scheduler_id: int, token: int) -> None:
        """End the lease and give the claimed jobs back."""
        self._connections.call("release_scheduler", scheduler_id, token)

    def claim_jobs(self, scheduler_id: int, token: int, *, limit: int) -> tuple[ClaimedJob, ...]:
        """Everything the caller still holds, and then up to `limit` jobs in all."""
        return tuple(
            rows.claimed(row) for row in self._connections.call("claim_jobs", scheduler_id, token, limit)
        )

    def sync(self, watermark: Watermark | None) -> Changes:
        """What changed since `watermark`, and the next one."""
        row = None
        # A server that crashed may give the numbers of transactions it forgot (synchronous_commit = off) to others,
        # which a watermark from before would pass over; nobody's connections outlive a crash.
        broken = self._connections.broken
        if watermark is not None:
            (row,) = self._connections.call("sync_machines", watermark.snapshot)
            if row.generation + broken != watermark.generation or row.log_rows > BEHIND_ROWS:
                row = None
        full = row is None
        if row is None:
            (row,) = self._connections.call("load_machines")
        # Machines that are alike share what is read once: it is not to be written.
        read = {text: json.loads(text) for text in set(row.fact_attributes)}
        facts = zip(row.fact_machine.tolist(), row.fact_name, row.fact_attributes, strict=True)
        return Changes(
            full=full,
            rows=rows.machine_rows(row),
            facts=tuple(
                [
                    MachineFacts(machine_id=machine, name=name, attributes=read[attributes])
                    for machine, name, attributes in facts
                ]
            ),
            watermark=Watermark(generation=row.generation + broken, snapshot=row.snapshot),
            log_rows=row.log_rows,
        )

    def commit(self, transaction: Transaction) -> Verdict:
        """Judge and apply the claims in one round trip."""
        check_transaction(transaction)
        jobs, job = np.unique(transaction.job_id, return_inverse=True)
        own = len(transaction.machine_id)
        machines, machine = np.unique(
            np.concatenate((transaction.machine_id, transaction.alternatives.machine_id)), return_inverse=True
        )
        victims, alternatives = transaction.victims, transaction.alternatives
        known = np.isin(alternatives.job_id, jobs)
        (row,) = self._connections.call(
            "commit_claims",
            transaction.txn_id,
            transaction.scheduler_id,
            transaction.token,
            jobs,
            machines,
            _ordinals(job),
            _ordinals(machine[:own]),
            transaction.slots,
            transaction.claim_sequence,
            transaction.tasks,
            transaction.devices,
            victims.claim + 1,
            victims.job_id,
            victims.first_index,
            victims.attempt,
            _ordinals(np.searchsorted(jobs, alternatives.job_id[known])),
            _ordinals(machine[own:][known]),
        )
        claims = len(transaction.job_id)
        all_accepted = len(row.reason) == 0
        nothing = np.zeros(claims, dtype=np.int64)
        on_their_own = len(row.placed_on) == 0
        return Verdict(
            txn_id=transaction.txn_id,
            accepted=row.accepted,
            tasks=row.tasks,
            machine_id=transaction.machine_id.copy() if on_their_own else machines[row.placed_on - 1],
            preempted=nothing if len(row.preempted) == 0 else row.preempted,
            reason=nothing if all_accepted else row.reason,
            free=nothing if all_accepted else row.free,
            first_index=row.first_index,
            rival_txn=(None,) * claims if all_accepted else tuple(row.rival_txn),
            rival_scheduler=nothing if all_accepted else row.rival_scheduler,
            rows=rows.machine_rows(row),
        )

    def preemptible(self, machine_ids: Int64, *, below: int) -> Preemptible:
        """What these machines hold that a claim of priority `below` may name as victims."""
        (row,) = self._connections.call("preemptible_placements", machine_ids, below)
        return Preemptible(
            machine_id=row.machine_id,
            job_id=row.job_id,
            first_index=row.first_index,
            attempt=row.attempt,
            tasks=row.tasks,
            priority=row.priority,
            amounts=np.column_stack((row.cpu_milli, row.memory_bytes, row.disk_bytes)),
            gpu_milli=row.gpu_milli,
            devices=row.devices,
            custom=tuple(rows.named_amounts(json.loads(one) if one else None) for one in row.custom),
            placed_at=tuple(row.placed_at),
        )

    def reserve(
        self, scheduler_id: int, token: int, job_id: int, machine_ids: Int64, *, seconds: float
    ) -> int:
        """Keep machines for a gang that the caller holds; how many."""
        (row,) = self._connections.call(
            "reserve_machines",
            scheduler_id,
            token,
            job_id,
            np.unique(machine_ids),
            min(seconds, RESERVED_SECONDS_AT_MOST),
        )
        return int(row[0])

    def settle(self, scheduler_id: int, token: int, settlements: Sequence[Settlement]) -> None:
        """Give claimed jobs back."""
        (settled,) = self._connections.call(
            "settle_jobs",
            scheduler_id,
            token,
            _bigints(one.job_id for one in settlements),
            [float(one.not_before) for one in settlements],
            [one.gave_up for one in settlements],
            [one.placed_any for one in settlements],
            [one.conflicted for one in settlements],
            [one.explanation for one in settlements],
        )
        self._release(due=settled[0])

    def reap(self) -> int:
        """Take from dead holders what they hold, each in a transaction of its own, so many in a call."""
        self._keep_house()
        reaped = 0
        for row in self._connections.call("dead_holders")[:REAP_AT_ONCE]:
            if row.machine_id:
                jobs = self._connections.call("reap_machine", row.machine_id)[0][0]
                reaped += jobs is not None
                self._fold(jobs)
            elif row.worker_id:
                self._connections.call("void_worker", row.worker_id)
            else:
                self._connections.call("reap_scheduler", row.scheduler_id)
        # What a reporter that died before its fold left behind, or a crash of the server undid.
        self._connections.call("fold_jobs", None, False)
        for row in self._connections.call("expired_jobs"):
            self._release(due=self._connections.call("expire_job", row.job_id, row.why)[0][0])
        # Also what was submitted in a transaction of somebody's own, who does not tell of its commit.
        self._release(due=True)
        self._release(due=self._connections.call("look_at_dependencies")[0][0])
        return reaped


def _ordinals(inverse: Any) -> Int64:
    ordinals: Int64 = inverse.astype(np.int64) + 1
    return ordinals


def _bigints(values: Any) -> Int64:
    return np.fromiter(values, dtype=np.int64)
