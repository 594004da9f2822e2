"""Races between real processes: each party an own process on the real store, all let go at once, round by round."""

from __future__ import annotations

import os
import random
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.postgres import PostgresStore
from omegacell.cellstate.settings import Settings
from tests.contract.scene import Scene

SEED_VARIABLE = "OMEGA_RACE_SEED"
_SECONDS = 60.0
"""A race takes a few seconds; a party that has not come by then never will."""

# A server that has imported everything forks a rival in milliseconds, where a fresh interpreter takes a second.
_context = get_context("forkserver")
_context.set_forkserver_preload([__name__, "pytest"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """Where a race is held: the cell, the time as its clocks begin, and the seed of all hesitation."""

    dsn: str
    now: float
    seed: int = field(default_factory=lambda: int(os.environ.get(SEED_VARIABLE, random.randrange(2**32))))


class Rival:
    """One party, inside its process: its store and clock, its scene, its chance, and the others to wait for."""

    def __init__(self, arena: Arena, index: int, barrier: Barrier) -> None:
        self.clock = ManualClock(arena.now)
        self.store = PostgresStore(arena.dsn, clock=self.clock, settings=Settings())
        self.scene = Scene(self.store, self.clock)
        self.rng = random.Random(f"{arena.seed} {index}")
        self._barrier = barrier

    def together(self) -> None:
        """Wait until every party stands here, and then hesitate for a few reads, so that no order is the usual one."""
        self._barrier.wait(_SECONDS)
        for _ in range(self.rng.randrange(4)):
            self.store.reservations()


Party = Callable[[Rival], Any]


def race(arena: Arena, *parties: Party) -> list[Any]:
    """What each party returned; AssertionError with its traceback if one raised. All are gone afterwards."""
    print(f"replay with {SEED_VARIABLE}={arena.seed}")
    barrier = _context.Barrier(len(parties))
    running: list[tuple[ForkServerProcess, Connection]] = []
    try:
        for index, party in enumerate(parties):
            mine, theirs = _context.Pipe(duplex=False)
            with theirs:
                process = _context.Process(target=_run, args=(party, arena, index, barrier, theirs))
                process.start()
            running.append((process, mine))
        return [_answer(process, answers) for process, answers in running]
    finally:
        for process, answers in running:
            answers.close()
            if process.is_alive() and process.pid is not None:
                process.join(2.0)  # it has answered and closes its connections, or another one failed
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)
            process.join()
            process.close()


def _answer(process: ForkServerProcess, answers: Connection) -> Any:
    assert answers.poll(_SECONDS), f"rival {process.name} did not answer within {_SECONDS} s"
    try:
        failure, answer = answers.recv()
    except EOFError:
        raise AssertionError(f"rival {process.name} ended without an answer") from None
    assert not failure, failure
    return answer


def _run(party: Party, arena: Arena, index: int, barrier: Barrier, answers: Connection) -> None:
    try:
        rival = Rival(arena, index, barrier)
        try:
            answer = ("", party(rival))
        finally:
            rival.store.close()
    except BaseException:
        barrier.abort()
        answer = (traceback.format_exc(), None)
    answers.send(answer)
    answers.close()
