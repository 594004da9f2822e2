"""Claims as tests say them, the arrays of a transaction that they become, and its answers claim by claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from uuid import UUID, uuid4

import numpy as np

from omegacell.cellstate.model import (
    NO_ALTERNATIVES,
    NO_VICTIMS,
    Alternatives,
    Int64,
    Lease,
    Placement,
    Reason,
    Transaction,
    Verdict,
    Victims,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """A claim for `slots` of `tasks` each; `seen` is None for the claim_sequence of now, devices are indexes."""

    job: int
    machine: int
    slots: int = 1
    _: KW_ONLY
    seen: int | None = None
    tasks: int = 1
    devices: tuple[int, ...] = ()
    victims: tuple[Placement, ...] = ()


def transaction_of(
    lease: Lease,
    wishes: Sequence[Wish],
    *,
    alternatives: Mapping[int, Sequence[int]] | None = None,
    txn_id: UUID | None = None,
) -> Transaction:
    """The transaction of these wishes (`seen` given); `alternatives` are machines by job, best first."""
    return Transaction(
        txn_id=txn_id or uuid4(),
        scheduler_id=lease.holder_id,
        token=lease.token,
        job_id=_column(wish.job for wish in wishes),
        machine_id=_column(wish.machine for wish in wishes),
        slots=_column(wish.slots for wish in wishes),
        claim_sequence=_column(wish.seen or 0 for wish in wishes),
        tasks=_column(wish.tasks for wish in wishes if any(one.tasks != 1 for one in wishes)),
        devices=_column(mask(wish.devices) for wish in wishes if any(one.devices for one in wishes)),
        victims=_victims(wishes),
        alternatives=_alternatives(alternatives or {}),
    )


def mask(devices: Sequence[int]) -> int:
    """A set of devices as the bits of an integer."""
    return sum(1 << device for device in devices)


def _column(values: Iterable[int]) -> Int64:
    return np.array(list(values), dtype=np.int64)


def _victims(wishes: Sequence[Wish]) -> Victims:
    named = [(claim, victim) for claim, wish in enumerate(wishes) for victim in wish.victims]
    if not named:
        return NO_VICTIMS
    return Victims(
        claim=_column(claim for claim, _ in named),
        job_id=_column(victim.job_id for _, victim in named),
        first_index=_column(victim.first_index for _, victim in named),
        attempt=_column(victim.attempt for _, victim in named),
    )


def _alternatives(machines: Mapping[int, Sequence[int]]) -> Alternatives:
    if not machines:
        return NO_ALTERNATIVES
    return Alternatives(
        job_id=_column(job_id for job_id, ranked in machines.items() for _ in ranked),
        machine_id=_column(machine_id for ranked in machines.values() for machine_id in ranked),
    )


def answers(verdict: Verdict) -> list[tuple[int, Reason, int]]:
    """Per claim: accepted, reason, free."""
    columns = (verdict.accepted.tolist(), map(Reason, verdict.reason.tolist()), verdict.free.tolist())
    return list(zip(*columns, strict=True))


def rivals(verdict: Verdict) -> list[tuple[UUID | None, int]]:
    """Per claim: the rival's transaction and scheduler."""
    return list(zip(verdict.rival_txn, verdict.rival_scheduler.tolist(), strict=True))
