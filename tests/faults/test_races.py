"""Races of jobs and workers, each party a process of its own: what must hold whoever comes first.

After each: the invariants, and no deadlock or unexpected error in PostgreSQL's log (conftest.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.errors import TokenLost
from omegacell.cellstate.model import (
    AttemptState,
    JobState,
    Lease,
    Outcome,
    Placement,
    Reason,
    Stop,
    Transaction,
    Verdict,
)
from tests.contract.scene import Scene, SchedulerHand, WorkerHand, machine_spec, worker_spec
from tests.contract.wishes import Wish, answers, transaction_of
from tests.faults.rivals import Arena, Rival, race

ROUNDS = 30
Task = tuple[int, int]
"""A job's id and the index of one of its tasks."""


def outcomes(scene: Scene, jobs: Sequence[int]) -> list[Outcome]:
    """All outcomes of these jobs."""
    return [outcome for job in jobs for outcome in scene.outcomes(job)]


def succeeded(found: Sequence[Outcome]) -> list[Task]:
    """The tasks that these outcomes say succeeded, each as often as they do."""
    return sorted((one.job_id, one.task_index) for one in found if one.state is AttemptState.SUCCEEDED)


# Cancel against commit.


def commits(rival: Rival, lease: Lease, jobs: Sequence[int], machine: int) -> list[Verdict]:
    """Commit both tasks of a job a round."""
    hand = SchedulerHand(rival.scene, lease)
    hand.claim(limit=len(jobs))
    verdicts = []
    for job in jobs:
        rival.together()
        verdicts.append(rival.store.commit(transaction_of(lease, [Wish(job, machine, 2)])))
    return verdicts


def cancels(rival: Rival, jobs: Sequence[int]) -> None:
    """Cancel a job a round."""
    for job in jobs:
        rival.together()
        rival.store.cancel(job)


def test_cancel_against_commit(scene: Scene, arena: Arena) -> None:
    machine = scene.worker().machine(cpu=2000 * ROUNDS)
    jobs = [scene.submit(tasks=2) for _ in range(ROUNDS)]
    scheduler = scene.scheduler()
    scheduler.claim(limit=ROUNDS)
    verdicts, _ = race(
        arena,
        partial(commits, lease=scheduler.lease, jobs=jobs, machine=machine),
        partial(cancels, jobs=jobs),
    )
    told = [answers(verdict)[0] for verdict in verdicts]
    assert set(told) == {(2, Reason.ACCEPTED, 0), (0, Reason.JOB_NOT_CLAIMED, 0)}
    for job, (slots, *_) in zip(jobs, told, strict=True):
        assert [placement.stop for placement in scene.store.placements(job)] == [Stop.CANCEL] * slots
        assert scene.job(job).state is (JobState.RUNNING if slots else JobState.CANCELLED)
        assert scene.job(job).never_placed == 2 - slots


# Cancel against finish.


def finishes(rival: Rival, lease: Lease, jobs: Sequence[int], state: AttemptState) -> list[tuple[bool, ...]]:
    """Report the end of all that a job has placed, a job a round."""
    hand = WorkerHand(rival.scene, lease)
    placed = {job: rival.store.placements(job) for job in jobs}
    answered = []
    for job in jobs:
        rival.together()
        answered.append(hand.end(*placed[job], state=state))
    return answered


def test_cancel_against_finish(scene: Scene, arena: Arena) -> None:
    worker, scheduler = scene.worker(), scene.scheduler()
    machine = worker.machine(cpu=2000 * ROUNDS)
    half = ROUNDS // 2
    jobs = [scene.submit(tasks=3, retries=1, backoff_seconds=0.0) for _ in range(ROUNDS)]
    for job in jobs:
        scheduler.place(job, machine, 2)
    report = partial(finishes, lease=worker.lease)
    for mine, state in ((jobs[:half], AttemptState.SUCCEEDED), (jobs[half:], AttemptState.FAILED)):
        answered, _ = race(arena, partial(report, jobs=mine, state=state), partial(cancels, jobs=mine))
        assert answered == [(True, True)] * half
    for (
        job
    ) in jobs:  # the third task was never placed: each job ends as cancelled, and each report counts once
        status = scene.job(job)
        ended = Counter(outcome.state for outcome in scene.outcomes(job) if outcome.final)
        assert status.state is JobState.CANCELLED
        assert (status.succeeded, status.cancelled) == (2, 1) if job in jobs[:half] else (0, 3)
        assert status.succeeded == ended[AttemptState.SUCCEEDED]
        assert ended.total() == 2


# Reap against finish.


def outlives(rival: Rival, leases: Sequence[Lease], held: Sequence[Sequence[Placement]]) -> list[Task]:
    """Report slot by slot what a worker's machines hold, a worker a round, until it is told that it is dead."""
    accepted = []
    for lease, placements in zip(leases, held, strict=True):
        rival.together()
        try:
            for one in placements:
                if WorkerHand(rival.scene, lease).end(one) == (True,):
                    accepted.append((one.job_id, one.first_index))
        except TokenLost:
            continue
    return accepted


def reaps(rival: Rival, ends: Sequence[float]) -> int:
    """Reap a worker's machines a round, as the clock passes the end of its lease."""
    machines = 0
    for end in ends:
        rival.clock.advance(end - rival.clock.now())
        rival.together()
        while reaped := rival.store.reap():
            machines += reaped
    return machines


def test_reap_against_finish(scene: Scene, arena: Arena, clock: ManualClock) -> None:
    rounds, machines = 15, 3
    leases, held, jobs = [], [], []
    scheduler = scene.scheduler(lease_seconds=100_000)
    for number in range(rounds):
        worker = scene.worker(f"w{number}", lease_seconds=100.0 * (number + 1))
        brought = worker.bring(*(machine_spec(f"m{number}-{index}") for index in range(machines)))
        job = scene.submit(tasks=2 * machines)
        scheduler.claim()
        scheduler.commit(*((job, machine.machine_id, 2) for machine in brought))
        leases.append(worker.lease)
        jobs.append(job)
        held.append(scene.store.placements(job))
    reaper = partial(reaps, ends=[lease.expires_at for lease in leases])
    accepted, *reaped = race(arena, partial(outlives, leases=leases, held=held), reaper, reaper)
    assert sum(reaped) == rounds * machines  # each machine once, whoever did it
    assert [(one.up, one.epoch) for one in scene.store.machines()] == [(False, 2)] * rounds * machines
    found = outcomes(scene, jobs)
    assert sorted((one.job_id, one.task_index) for one in found) == [
        (job, index) for job in jobs for index in range(2 * machines)
    ]
    assert succeeded(found) == sorted(accepted)
    assert {one.state for one in found} == {AttemptState.SUCCEEDED, AttemptState.LOST}
    assert not any(scene.store.placements(job) for job in jobs)
    assert sum(scene.job(job).waiting_retry for job in jobs) == len(found) - len(accepted)
    clock.advance(1.0)


# Re-registration against pull and report.


def registers_anew(rival: Rival, names: Sequence[str], rounds: int) -> list[Task]:
    """Be a worker that starts anew each round, beside another of its name: register, pull, start, end half of it."""
    accepted: list[Task] = []
    for _ in range(rounds):
        rival.together()
        try:
            lease = rival.store.register_worker(worker_spec("w"), lease_seconds=600.0)
            hand = WorkerHand(rival.scene, lease)
            hand.bring(*(machine_spec(name) for name in names))
            held = hand.pull()
            assert all(one.epoch == holdings.epoch for holdings in held for one in holdings.placements)
            placements = [one for holdings in held for one in holdings.placements]
            hand.start(*placements)
            mine = [one for one in placements if rival.rng.random() < 0.5]
            ends = hand.end(*mine)
            accepted += [(one.job_id, one.first_index) for one, told in zip(mine, ends, strict=True) if told]
        except TokenLost:
            continue  # the other has taken over, at whichever step
    return accepted


def keeps_placing(rival: Rival, machines: Sequence[int], rounds: int) -> int:
    """Be a scheduler: each round place on each machine what it holds jobs for; the slots that it got."""
    hand = rival.scene.scheduler("s", lease_seconds=600.0)
    slots = 0
    for _ in range(rounds):
        rival.together()
        for job in hand.claim(limit=10):
            verdict = hand.commit(*((job.job_id, machine, 1) for machine in machines))
            slots += int(verdict.accepted.sum())
            hand.settle(job.job_id, placed_any=True)
    return slots


def test_registration_anew_against_pull_and_report(scene: Scene, arena: Arena) -> None:
    names = [f"m{number}" for number in range(4)]
    machines = [one.machine_id for one in scene.worker().bring(*map(machine_spec, names))]
    jobs = [scene.submit(tasks=40, max_lost=1000, cpu=500) for _ in range(6)]
    worker = partial(registers_anew, names=names, rounds=ROUNDS)
    *accepted, slots = race(arena, worker, worker, partial(keeps_placing, machines=machines, rounds=ROUNDS))
    assert [machine.machine_id for machine in scene.store.machines()] == machines
    found = outcomes(scene, jobs)
    assert succeeded(found) == sorted(accepted[0] + accepted[1])
    attempts = Counter((one.job_id, one.task_index, one.attempt) for one in found)
    assert set(attempts.values()) == {1}
    holding = sum(len(scene.store.placements(job)) for job in jobs)
    assert slots == len(found) + holding  # every slot ended once, or is still there
    assert sum(scene.job(job).succeeded for job in jobs) == len(succeeded(found))


# Fold against fold.


def reports(rival: Rival, lease: Lease, held: Sequence[Placement]) -> int:
    """Report the ends of slots in small batches of several jobs; every third slot failed. How many were accepted."""
    hand = WorkerHand(rival.scene, lease)
    mine = list(held)
    rival.rng.shuffle(mine)
    accepted = 0
    rival.together()
    for at in range(0, len(mine), 4):
        batch = mine[at : at + 4]
        states = [
            AttemptState.FAILED if one.first_index % 3 == 0 else AttemptState.SUCCEEDED for one in batch
        ]
        slots = ((one, {one.first_index: state}, None) for one, state in zip(batch, states, strict=True))
        accepted += sum(hand.report_slots(*slots))
    return accepted


def folds(rival: Rival, jobs: Sequence[int]) -> None:
    """Fold everything and some of it, over and over, until all jobs have ended."""
    rival.together()
    while not all(rival.store.job(job).state.final for job in jobs):
        rival.store.fold()
        rival.store.fold(rival.rng.sample(list(jobs), k=2))


def test_fold_against_fold(scene: Scene, arena: Arena) -> None:
    worker, scheduler = scene.worker(), scene.scheduler()
    machines = [worker.machine(f"m{number}", cpu=100_000) for number in range(2)]
    jobs = [scene.submit(tasks=60) for _ in range(3)]
    scheduler.claim()
    for job in jobs:
        scheduler.commit(*((job, machine, 30) for machine in machines))
    held = [one for job in jobs for one in scene.store.placements(job)]
    reporters = [partial(reports, lease=worker.lease, held=held[part::2]) for part in range(2)]
    folding = partial(folds, jobs=jobs)
    *accepted, _, _ = race(arena, *reporters, folding, folding)
    assert accepted == [90, 90]
    for job in jobs:
        status = scene.job(job)
        assert (status.state, status.succeeded, status.failed, status.placed) == (JobState.FAILED, 40, 20, 0)


# A commit resent against the first still running.


def sends(rival: Rival, transactions: Sequence[Transaction]) -> list[Verdict]:
    """Commit a transaction a round."""
    verdicts = []
    for transaction in transactions:
        rival.together()
        verdicts.append(rival.store.commit(transaction))
    return verdicts


def test_a_commit_resent_against_the_first_still_running(scene: Scene, arena: Arena) -> None:
    worker, scheduler = scene.worker(), scene.scheduler()
    machines = [worker.machine(f"m{number}", cpu=25_000) for number in range(2)]
    jobs = [scene.submit(tasks=ROUNDS * 2) for _ in range(2)]
    scheduler.claim()
    sequences = {one.machine_id: one.claim_sequence for one in scene.store.machines()}
    wishes = [Wish(job, machine, seen=sequences[machine]) for job in jobs for machine in machines]
    sent = [transaction_of(scheduler.lease, wishes, txn_id=uuid4()) for _ in range(ROUNDS)]
    sender = partial(sends, transactions=sent)
    answered = [[_told(one) for one in verdicts] for verdicts in race(arena, sender, sender, sender)]
    assert answered[0] == answered[1] == answered[2]  # also where it no longer fits
    taken = sum(sum(told[0]) for told in answered[0])
    assert taken == 50
    assert sum(len(scene.store.placements(job)) for job in jobs) == taken
    (status,) = scene.store.schedulers()
    assert (status.placements, status.claims) == (taken, 4 * ROUNDS)


def _told(verdict: Verdict) -> tuple[list[int], ...]:
    """What an answer says of the claims."""
    columns = (
        verdict.accepted,
        verdict.tasks,
        verdict.reason,
        verdict.free,
        verdict.first_index,
        verdict.machine_id,
    )
    return tuple(column.tolist() for column in (*columns, verdict.rival_scheduler))
