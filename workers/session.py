"""One registration's life: renew, pull, start, stop and report, until the lease is lost or all stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from omegacell.cellstate.clock import boottime
from omegacell.cellstate.errors import StoreUnavailable, TokenLost
from omegacell.cellstate.model import AttemptState, MachineSpec, Placement, Stop
from omegacell.workers.host import GPUS
from omegacell.workers.lease import LeaseKeeper
from omegacell.workers.ledger import Ledger
from omegacell.workers.log_relay import LogRelay
from omegacell.workers.pull import Definitions, ServedMachine, prepare
from omegacell.workers.reconcile import Decision
from omegacell.workers.registration import AgentStore, Registration
from omegacell.workers.report import LONGEST_RETRY_SECONDS, RETRY_SECONDS, HintSender, Reporter
from omegacell.workers.runner import Report, Runner, Word, key_of, stopped_how, stopped_state
from omegacell.workers.slots import ended_of

log = logging.getLogger(__name__)

_KILLED_SECONDS = 10.0
"""How long killed tasks may take to be gone before the agent goes on without them."""


class Session:
    """The agent under one token.

    `wake` is set by hints on placements, `asked` by hints on logs; `stopping` by whoever wants the agent to end.
    """

    def __init__(
        self,
        store: AgentStore,
        registration: Registration,
        runner: Runner,
        hints: HintSender,
        *,
        wake: threading.Event,
        asked: threading.Event,
        stopping: threading.Event,
        poll_seconds: float,
        log_directory: str,
    ) -> None:
        self._store = store
        self._runner = runner
        self._wake = wake
        self._stopping = stopping
        self._poll_seconds = poll_seconds
        self._worker_id = registration.lease.holder_id
        self._token = registration.lease.token
        self._machines = {
            machine.machine_id: _served(spec)
            for machine, spec in zip(registration.machines, registration.specs, strict=True)
        }
        self._known: dict[int, int] = {}
        self._ledger = Ledger()
        self._definitions = Definitions(store)
        self._over = threading.Event()
        self._losing = threading.Lock()
        self._keeper = LeaseKeeper(
            registration.term,
            renew=lambda: store.renew_worker(self._worker_id, self._token),
            renewed=runner.lease_until,
            lost=self._lose,
        )
        self._reporter = Reporter(
            store,
            worker_id=self._worker_id,
            token=self._token,
            ledger=self._ledger,
            hints=hints,
            over=self._over,
            freed=wake.set,
            failed=lambda error: self._lose(str(error)),
        )
        self._relay = LogRelay(
            store,
            worker_id=self._worker_id,
            token=self._token,
            directory=log_directory,
            asked=asked,
            poll_seconds=poll_seconds,
        )

    def run(self) -> None:
        """Serve until it is over; afterwards nothing runs and nothing of it will be reported later."""
        self._keeper.start()
        self._reporter.start()
        self._relay.start()
        try:
            self._pull_until_over()
        except TokenLost as error:
            self._lose(str(error))
        except Exception as error:
            log.exception("pulling failed")
            self._lose(str(error))
        finally:
            if self._over.is_set():
                self._end_after_loss()
            else:
                self._end_in_order()
            self._relay.close()

    def report(self, words: Sequence[Word]) -> None:
        """The runner's word. What ended past the deadline was killed for it, and is the store's to decide."""
        if not self._over.is_set() and not self._keeper.ended(boottime()):
            self._ledger.note(words)

    def _lose(self, reason: str) -> None:
        """Kill everything at once. From any thread, any number of times."""
        # Once only: the runner goes on to the next registration, and a late word of this one must not reach it.
        with self._losing:
            if self._over.is_set():
                return
            log.warning("the lease is lost, every task is killed: %s", reason)
            self._over.set()
            self._runner.kill_all()
        self._wake.set()

    def _pull_until_over(self) -> None:
        wait = RETRY_SECONDS
        while not self._over.is_set() and not self._stopping.is_set():
            # Cleared before asking: a hint that comes while the answer is on its way asks once more.
            self._wake.clear()
            try:
                self._pull()
            except StoreUnavailable as error:
                if wait == RETRY_SECONDS:
                    log.warning("the store is away, tasks run on: %s", error)
                self._wake.wait(wait)
                wait = min(2 * wait, LONGEST_RETRY_SECONDS)
                continue
            wait = RETRY_SECONDS
            self._wake.wait(self._poll_seconds)

    def _pull(self) -> None:
        asked_at = time.monotonic()
        answers = self._store.pull(self._worker_id, self._token, self._known)
        if not answers:
            return
        decision = self._ledger.decide(answers, asked_at)
        self._runner.kill(decision.kill)
        for key, stop in decision.stop:
            self._runner.stop(key, stop)
        self._ledger.note([_never_ran(placement) for placement in decision.refuse])
        self._start(decision)
        # Only now: had anything failed on the way, the next answer would bring it all again.
        self._known.update((held.machine_id, held.version) for held in answers)
        if self._ledger.overtaken(decision):
            self._wake.set()

    def _start(self, decision: Decision) -> None:
        if not decision.start:
            return
        try:
            slots, unknown = prepare(self._store, self._definitions, decision.start, self._machines)
        except BaseException:
            self._ledger.forget([key_of(placement) for placement in decision.start])
            raise
        self._ledger.note([_unknown_job(placement) for placement in unknown])
        # Past the deadline, as after the agent was frozen, the guard would only kill them; the keeper says the rest.
        if not self._over.is_set() and not self._keeper.ended(boottime()):
            self._ledger.began([slot.key for slot in slots if not slot.tells_start])
            self._runner.start(slots)

    def _end_after_loss(self) -> None:
        """What ended before the loss is told once more: a store that was only away still accepts it."""
        self._keeper.stop()
        with self._losing:
            self._runner.kill_all()
        if not self._runner.idle(_KILLED_SECONDS):
            log.error("some killed tasks are still there after %g s", _KILLED_SECONDS)
        self._ledger.close()
        self._reporter.finish(_KILLED_SECONDS)
        while (batch := self._ledger.next_batch()) is not None:
            try:
                self._reporter.deliver(batch)
            except StoreUnavailable:
                self._ledger.put_back(batch)
                if self._stopping.wait(LONGEST_RETRY_SECONDS):
                    return
            except TokenLost:
                return

    def _end_in_order(self) -> None:
        """Terminate what runs, report what had ended before, and give the machines back."""
        for key in self._ledger.leave():
            self._runner.stop(key, Stop.PREEMPT)
        if not self._runner.idle(_KILLED_SECONDS):
            log.error("some tasks are still there after %g s", _KILLED_SECONDS)
        self._ledger.close()
        self._reporter.finish(_KILLED_SECONDS)
        self._keeper.stop()
        self._runner.kill_all()
        try:
            self._store.release_worker(self._worker_id, self._token)
        except StoreUnavailable as error:
            log.warning("the lease could not be released and will run out: %s", error)


def _never_ran(placement: Placement) -> Report:
    """Its first task was stopped; the others are as if they had never been placed."""
    error = f"{stopped_how(placement.stop)} before it started"
    key = key_of(placement)
    stopped = ended_of(key, placement.first_index, stopped_state(placement.stop), error=error)
    return Report(key=key, ended=(stopped,), given_back=placement.count - 1)


def _unknown_job(placement: Placement) -> Report:
    """None of its tasks can ever start."""
    error = f"job j{placement.job_id} has no definition in the store any more; submit it again"
    key, first = key_of(placement), placement.first_index
    ends = (ended_of(key, first + n, AttemptState.START_FAILED, error=error) for n in range(placement.count))
    return Report(key=key, ended=tuple(ends))


def _served(spec: MachineSpec) -> ServedMachine:
    numbers = spec.attributes.get(GPUS, "").split(",")
    return ServedMachine(name=spec.name, host_devices=tuple(int(one) for one in numbers if one.isdecimal()))
