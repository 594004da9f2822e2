"""Between arrays and the commit rule: a transaction as claims, rulings as a verdict. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np

from omegacell.cellstate.found import PlacementKey
from omegacell.cellstate.judge import Claim, Ruling
from omegacell.cellstate.model import Int64, MachineRows, Transaction, Verdict


def claims_of(transaction: Transaction) -> list[Claim]:
    """The claims one by one, each with its victims."""
    victims: defaultdict[int, list[PlacementKey]] = defaultdict(list)
    named = transaction.victims
    for claim, *key in zip(
        *(column.tolist() for column in (named.claim, named.job_id, named.first_index, named.attempt)),
        strict=True,
    ):
        victims[claim].append((key[0], key[1], key[2]))
    columns = (transaction.job_id, transaction.machine_id, transaction.slots, transaction.claim_sequence)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    tasks = transaction.tasks.tolist() or repeat(1)
    devices = transaction.devices.tolist() or repeat(0)
    return [
        Claim(
            job_id=job_id,
            machine_id=machine_id,
            slots=slots,
            claim_sequence=claim_sequence,
            tasks=tasks_of_slot,
            devices=mask,
            victims=tuple(victims.get(position, ())),
        )
        for position, ((job_id, machine_id, slots, claim_sequence), tasks_of_slot, mask) in enumerate(
            zip(rows, tasks, devices, strict=False)  # the last two are endless where they were left out
        )
    ]


def verdict_of(
    transaction: Transaction,
    rulings: Sequence[Ruling],
    *,
    tasks: Iterable[int],
    first_index: Iterable[int],
    rows: MachineRows,
) -> Verdict:
    """The rulings as arrays; what was numbered, and the machines as they are now, the store says."""
    return Verdict(
        txn_id=transaction.txn_id,
        accepted=_column(ruling.accepted for ruling in rulings),
        tasks=_column(tasks),
        reason=_column(ruling.reason.value for ruling in rulings),
        machine_id=_column(ruling.machine_id for ruling in rulings),
        free=_column(ruling.free for ruling in rulings),
        first_index=_column(first_index),
        preempted=_column(len(ruling.victims) for ruling in rulings),
        rival_txn=tuple(ruling.rival_txn for ruling in rulings),
        rival_scheduler=_column(ruling.rival_scheduler for ruling in rulings),
        rows=rows,
    )


def _column(values: Iterable[int]) -> Int64:
    return np.array(list(values), dtype=np.int64)
