"""What makes arrays a transaction and specs a registration, checked alike in front of every store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import MachineSpec, Transaction


def check_transaction(transaction: Transaction) -> None:
    """SpecInvalid unless the arrays are equally long, slots positive, and each job's claims together."""
    arrays = (transaction.job_id, transaction.machine_id, transaction.slots, transaction.claim_sequence)
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise SpecInvalid(
            f"transaction {transaction.txn_id} has arrays of {lengths} entries for job_id, machine_id, slots "
            "and claim_sequence, expected equal lengths; pass one entry per claim in each"
        )
    jobs = transaction.job_id
    first_of_run = np.ones(len(jobs), dtype=np.bool_)
    first_of_run[1:] = jobs[1:] != jobs[:-1]
    runs, counts = np.unique(jobs[first_of_run], return_counts=True)
    if np.any(counts > 1):
        raise SpecInvalid(
            f"the claims of job j{runs[counts > 1][0]} are in several places of transaction {transaction.txn_id}, "
            "expected together; sort the claims by job"
        )
    if np.any(transaction.slots < 1):
        at = int(np.argmax(transaction.slots < 1))
        raise SpecInvalid(
            f"a claim of job j{jobs[at]} asks for {transaction.slots[at]} slots, expected at least 1; leave it out"
        )


def check_machines(machines: Sequence[MachineSpec]) -> None:
    """SpecInvalid if a name appears twice in one registration."""
    names: set[str] = set()
    for machine in machines:
        if machine.name in names:
            raise SpecInvalid(
                f"machine {machine.name!r} is registered twice in one call, expected once; name each once"
            )
        names.add(machine.name)
