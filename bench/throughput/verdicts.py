"""Whether what a scheduler was answered is right: speed is reported of nothing else. Pure."""

from __future__ import annotations

import numpy as np

from omegacell.bench.throughput import features
from omegacell.bench.throughput.plan import Combination, Feature
from omegacell.cellstate.errors import OmegaError
from omegacell.cellstate.model import Bool, Reason, Transaction, Verdict

LOST_TO_A_RIVAL = (Reason.SEQUENCE, Reason.GROUP, Reason.GANG)
"""Where rivals compete by claim sequence: a claim's own refusal, and what it means for the others of its job."""


class IncorrectResult(OmegaError):
    """The benchmark's result is wrong, so its speed is not reported."""


def placed(combination: Combination, transaction: Transaction, verdict: Verdict) -> Bool:
    """bool[K]: which claims got their slot, each by the feature; IncorrectResult if any is not as expected."""
    accepted: Bool = verdict.accepted == transaction.slots
    if not accepted.all():
        bearable = np.isin(verdict.reason[~accepted], LOST_TO_A_RIVAL).all() and combination.competing
        if not bearable:
            at = int(np.argmin(accepted))
            raise IncorrectResult(
                f"{combination}: claim {at} of transaction {transaction.txn_id} was refused with "
                f"{Reason(verdict.reason[at]).name} (free {verdict.free[at]}), expected it accepted"
            )
    expected = {
        "tasks": (verdict.tasks, features.tasks_per_slot(combination.feature)),
        "victims": (verdict.preempted, int(combination.feature is Feature.VICTIMS)),
        "machines in place of its own": (
            verdict.machine_id != transaction.machine_id,
            int(combination.feature is Feature.ALTERNATIVES),
        ),
    }
    for what, (found, each) in expected.items():
        wrong = accepted & (found != each)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise IncorrectResult(
                f"{combination}: claim {at} of transaction {transaction.txn_id} has {found[at]:d} {what}, "
                f"expected {each:d}"
            )
    return accepted
