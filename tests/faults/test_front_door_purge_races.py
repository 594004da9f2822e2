"""Purges, retries and the ends of parents, beside people who submit in transactions of their own."""

from __future__ import annotations

import contextlib
from collections import Counter
from functools import partial

import psycopg

from omegacell.cellstate.errors import NotFound, SpecInvalid
from omegacell.cellstate.model import AttemptState, JobState
from tests.contract.scene import Scene, machine_spec, submission
from tests.contract.wishes import Wish
from tests.faults.rivals import Arena, Rival, race

ROUNDS = 10
LIVE = (JobState.BLOCKED, JobState.PENDING, JobState.RUNNING)


def submits_in_own_transactions(rival: Rival, dsn: str) -> Counter[str]:
    """Be a program that stores jobs after others together with data of its own, and now and then changes its mind."""
    told: Counter[str] = Counter()
    with psycopg.connect(dsn) as own:
        for _ in range(ROUNDS):
            rival.together()
            parents = [one.job_id for one in rival.store.jobs(limit=8)]
            chosen = sorted(rival.rng.sample(parents, k=min(3, len(parents))))
            with contextlib.suppress(NotFound):
                rival.store.submit(
                    [
                        submission(after=tuple(chosen[:1]), after_any=tuple(chosen[1:])),
                        submission(after_any=tuple(chosen)),
                        submission(earlier=(0,), earlier_any=(1,), max_failures=1, tasks=2),
                    ],
                    connection=own,
                )
                told["stored"] += 1
            rival.clock.advance(1.0)
            rival.store.reap()
            if rival.rng.random() < 0.2:
                own.rollback()
            else:
                own.commit()
    return told


def plays(rival: Rival, machine: int) -> Counter[str]:
    """Be scheduler and worker in one: place what there is, and let it fail as often as not."""
    told: Counter[str] = Counter()
    name = f"s{rival.rng.randrange(10**9)}"
    hand = rival.scene.scheduler(name, lease_seconds=1e6)
    for _ in range(ROUNDS):
        rival.together()
        rival.store.submit([submission(cpu=1), submission(cpu=1, tasks=2, max_failures=1)])
        jobs = hand.claim(limit=10)
        if jobs:
            verdict = hand.commit(*(Wish(job.job_id, machine, slots=1) for job in jobs if job.pending))
            told["placed"] += int(verdict.accepted.sum())
            hand.settle(*(job.job_id for job in jobs))
        rival.clock.advance(1.0)
    hand.release()
    return told


def ends(rival: Rival, name: str) -> None:
    """Be the worker: end all that is held, well or badly."""
    worker = rival.scene.worker(name, lease_seconds=1e6)
    worker.bring(machine_spec("m", cpu=10**6))
    for _ in range(ROUNDS):
        rival.together()
        for one in (held for holdings in worker.pull() for held in holdings.placements):
            worker.end(one, state=rival.rng.choice((AttemptState.SUCCEEDED, AttemptState.FAILED)))
        rival.clock.advance(1.0)


def forgets(rival: Rival) -> Counter[str]:
    """Be who purges at once what has ended, and who runs again what has failed."""
    told: Counter[str] = Counter()
    for _ in range(ROUNDS):
        rival.together()
        for one in rival.store.jobs(states=[JobState.FAILED], limit=3):
            with contextlib.suppress(SpecInvalid, NotFound):  # another has been faster
                rival.store.retry_failed(one.job_id)
                told["retried"] += 1
        rival.clock.advance(1.0)
        told["purged"] += rival.store.purge(older_than_seconds=0.0).jobs
        told["violations"] += len(rival.store.check())
    return told


def test_nobody_waits_for_ever_for_what_was_purged(scene: Scene, arena: Arena) -> None:
    machine = scene.worker("w", lease_seconds=1e6).machine("m", cpu=10**6)
    stored, more, placed, _, *forgot = race(
        arena,
        partial(submits_in_own_transactions, dsn=arena.dsn),
        partial(submits_in_own_transactions, dsn=arena.dsn),
        partial(plays, machine=machine),
        partial(ends, name="w"),
        forgets,
        forgets,
    )
    told: Counter[str] = sum(forgot, Counter())
    assert min(stored["stored"], more["stored"], placed["placed"], told["purged"], told["retried"]) > 0
    assert told["violations"] == 0
    _let_all_end(scene)
    assert scene.store.jobs(states=LIVE, limit=1000) == ()


def _let_all_end(scene: Scene) -> None:
    scene.clock.advance(1000.0)
    scheduler, worker = scene.scheduler("last", lease_seconds=1e6), scene.worker("w", lease_seconds=1e6)
    machine = worker.machine("m", cpu=10**6)
    for _ in range(100):
        scene.store.reap()
        jobs = scheduler.claim()
        if jobs:
            scheduler.commit(*(Wish(job.job_id, machine, slots=1) for job in jobs))
            scheduler.settle(*(job.job_id for job in jobs))
        held = [one for holdings in worker.pull() for one in holdings.placements]
        worker.end(*held)
        scene.clock.advance(1.0)
        if not jobs and not held:
            return
    raise AssertionError("after 100 rounds there is still something to do")
