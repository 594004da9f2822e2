"""What makes arrays a transaction and specs a registration, checked alike in front of every store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import (
    DEVICE_MILLI,
    DEVICES_AT_MOST,
    TASKS_PER_SLOT,
    Bool,
    Int64,
    MachineSpec,
    Submission,
    Transaction,
)

SLOTS_AT_MOST = 1_000_000
"""Of one claim: more would be a slip, and so many times an amount stays far from the largest integer."""


def check_submissions(submissions: Sequence[Submission]) -> None:
    """SpecInvalid unless each job comes after earlier ones of its call only: their ids are lower then."""
    for position, submission in enumerate(submissions):
        for parent in (*submission.after, *submission.after_any):
            if not 0 <= parent < position:
                raise SpecInvalid(
                    f"job {submission.spec.name!r} at position {position} comes after position {parent} of its call; "
                    "submit jobs behind those that they come after"
                )


def check_transaction(transaction: Transaction) -> None:
    """SpecInvalid unless arrays are as long as they must, together by job and claim, and within their bounds."""
    _check_claims(transaction)
    _check_victims(transaction)
    _check_alternatives(transaction)


def _check_claims(transaction: Transaction) -> None:
    claims = len(transaction.job_id)
    for name in ("machine_id", "slots", "claim_sequence", "tasks", "devices"):
        entries = len(getattr(transaction, name))
        if entries != claims and not (name in ("tasks", "devices") and entries == 0):
            raise SpecInvalid(
                f"transaction {transaction.txn_id} has {entries} entries in {name} for {claims} in job_id, "
                "expected equal lengths; pass one entry per claim"
            )
    _check_together(transaction, transaction.job_id, "claims")
    _check_each(
        transaction, transaction.slots < 1, transaction.slots, "slots, expected at least 1; leave it out"
    )
    _check_each(
        transaction,
        transaction.slots > SLOTS_AT_MOST,
        transaction.slots,
        f"slots, expected at most {SLOTS_AT_MOST}; claim the others in another transaction",
    )
    tasks = transaction.tasks
    _check_each(
        transaction,
        (tasks < 1) | (tasks > TASKS_PER_SLOT),
        tasks,
        f"tasks per slot, expected 1 to {TASKS_PER_SLOT}; spread the tasks over more slots",
    )
    if len(transaction.devices):
        named = (transaction.devices != 0) & (transaction.slots > 1)
        _check_each(
            transaction, named, transaction.slots, "slots on named devices, expected 1; pass a claim per slot"
        )
        _check_each(
            transaction,
            transaction.devices < 0,
            transaction.devices,
            "as the mask of its devices, expected no bit beyond the 62nd; name devices the machine has",
        )


def _check_each(transaction: Transaction, wrong: Bool, values: Int64, problem: str) -> None:
    """SpecInvalid naming the first claim that is wrong."""
    if np.any(wrong):
        at = int(np.argmax(wrong))
        raise SpecInvalid(
            f"a claim of job j{transaction.job_id[at]} in transaction {transaction.txn_id} asks for "
            f"{values[at]} {problem}"
        )


def _check_together(transaction: Transaction, job_id: Int64, what: str) -> None:
    """SpecInvalid unless the entries of each job stand together."""
    first_of_run = np.ones(len(job_id), dtype=np.bool_)
    first_of_run[1:] = job_id[1:] != job_id[:-1]
    runs, counts = np.unique(job_id[first_of_run], return_counts=True)
    if np.any(counts > 1):
        raise SpecInvalid(
            f"the {what} of job j{runs[counts > 1][0]} are in several places of transaction "
            f"{transaction.txn_id}, expected together; sort the {what} by job"
        )


def _check_equal(transaction: Transaction, what: str, arrays: Sequence[Int64]) -> None:
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise SpecInvalid(
            f"the {what} of transaction {transaction.txn_id} are arrays of {lengths} entries, expected equal "
            "lengths; pass one entry of each for each"
        )


def _check_victims(transaction: Transaction) -> None:
    victims = transaction.victims
    _check_equal(
        transaction, "victims", (victims.claim, victims.job_id, victims.first_index, victims.attempt)
    )
    claims = len(transaction.job_id)
    outside = (victims.claim < 0) | (victims.claim >= claims)
    if np.any(outside):
        raise SpecInvalid(
            f"a victim in transaction {transaction.txn_id} is of claim {victims.claim[np.argmax(outside)]}, "
            f"expected a position in its {claims} claims; count them from 0"
        )
    if np.any(victims.claim[1:] < victims.claim[:-1]):
        raise SpecInvalid(
            f"the victims of transaction {transaction.txn_id} are not in the order of their claims, expected "
            "that; sort them by claim"
        )
    several = transaction.slots[victims.claim] > 1
    if np.any(several):
        at = victims.claim[np.argmax(several)]
        raise SpecInvalid(
            f"a claim of job j{transaction.job_id[at]} in transaction {transaction.txn_id} has victims and asks "
            f"for {transaction.slots[at]} slots, expected 1; pass a claim per slot"
        )


def _check_alternatives(transaction: Transaction) -> None:
    alternatives = transaction.alternatives
    _check_equal(transaction, "alternatives", (alternatives.job_id, alternatives.machine_id))
    _check_together(transaction, alternatives.job_id, "alternatives")
    several = (transaction.slots > 1) & np.isin(transaction.job_id, alternatives.job_id)
    _check_each(
        transaction,
        several,
        transaction.slots,
        "slots where the job lists alternatives, expected 1; pass a claim per slot",
    )


def check_machines(machines: Sequence[MachineSpec]) -> None:
    """SpecInvalid if a name appears twice in one registration, or for devices that are not whole or too many."""
    names: set[str] = set()
    for machine in machines:
        if machine.name in names:
            raise SpecInvalid(
                f"machine {machine.name!r} is registered twice in one call, expected once; name each once"
            )
        names.add(machine.name)
        gpu_milli = machine.capacity.gpu_milli
        if gpu_milli % DEVICE_MILLI or not 0 <= gpu_milli <= DEVICES_AT_MOST * DEVICE_MILLI:
            raise SpecInvalid(
                f"machine {machine.name!r} has {gpu_milli} gpu_milli, expected {DEVICE_MILLI} for each of at most "
                f"{DEVICES_AT_MOST} devices; register whole devices"
            )
