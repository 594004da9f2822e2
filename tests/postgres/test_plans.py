"""Hot statements read what they touch, and scan no large table: counted by PostgreSQL, in the calls' own transaction.

On a cell of 3,000 machines and 20,000 placements, with statistics and before there are any, with plans made for the
arguments and with plans for any. Not among the hot: listings of everything, check(), and purge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import AttemptState, CommitMode, Detection, Int64, JobState, Placement
from omegacell.embedded_postgres import EmbeddedPostgres
from tests.contract.scene import SchedulerHand, WorkerHand, machine_spec, submission
from tests.contract.wishes import Wish, transaction_of
from tests.postgres.loaded_cell import MACHINES, LoadedCell, OneTransaction, Reads, load, one_transaction

LARGE = (
    "machine", "machine_fact", "placement", "job", "job_state", "job_queue", "job_explanation", "retry", "preemption",
    "task_input", "cell_log", "outcome",
)  # fmt: skip
"""Tables of hundreds of rows and more, with their partitions. The others hold a row per process (worker, scheduler),
one in all (cell), what is about to be folded (job_delta), or nothing where nobody has such things (device,
machine_custom, reservation)."""
SLACK = 40
"""Rows that a call reads whatever it is about: tokens, the queue's head, the kinds of machines there are."""


@pytest.fixture(scope="module", params=[True, False], ids=["analyzed", "not-analyzed"])
def cell(request: pytest.FixtureRequest, server: EmbeddedPostgres, template: str) -> Iterator[LoadedCell]:
    """The loaded cell, once for all tests: each takes back what it did."""
    name = sql.Identifier(f"omega_loaded_{uuid4().hex}")
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template)))
    now = float(int(psycopg_now(server.dsn)))
    yield load(
        make_conninfo(server.dsn, dbname=name.as_string().strip('"')),
        ManualClock(now),
        analyzed=request.param,
    )
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def psycopg_now(dsn: str) -> float:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT extract(epoch FROM now())::float8").fetchone()
    assert row is not None
    return float(row[0])


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
def inside(request: pytest.FixtureRequest, cell: LoadedCell) -> Iterator[OneTransaction]:
    """The store inside a transaction that is taken back."""
    with one_transaction(cell, plans=request.param) as inside:
        yield inside


@pytest.fixture
def scheduler(inside: OneTransaction, cell: LoadedCell) -> SchedulerHand:
    return SchedulerHand(inside.scene, cell.scheduler)


@pytest.fixture
def worker(inside: OneTransaction, cell: LoadedCell) -> WorkerHand:
    return WorkerHand(inside.scene, cell.worker)


@pytest.fixture
def reads() -> dict[str, Reads]:
    return {}


def hot(reads: dict[str, Reads], *, touched: int) -> None:
    """No large table was read as a whole, and all rows read are a small multiple of what was touched.

    A scan that ended at once, or was of an empty partition, is none.
    """
    whole = {
        name: read for name, read in reads.items() if read.whole and read.rows > 10 and _parent(name) in LARGE
    }
    assert whole == {}
    assert sum(read.rows for read in reads.values()) <= 15 * touched + SLACK, reads


def _parent(table: str) -> str:
    """The table that a partition is of; any other's own name."""
    return re.sub(r"_([0-9]{8}|default)$", "", table)


def some(count: int, *, step: int = 7) -> Int64:
    """Machines, spread over all there are."""
    return np.arange(1, 1 + count * step, step, dtype=np.int64)


def queued(inside: OneTransaction, **fields: Any) -> int:
    """A job that is first in the queue."""
    (told,) = inside.store.submit([submission(priority=900, **fields)])
    return told.job_id


def held_by(cell: LoadedCell, inside: OneTransaction, count: int) -> list[Placement]:
    """Placements on machines of worker 1, of several jobs."""
    found: list[Placement] = []
    rows = inside.say(
        "SELECT p.job_id, p.first_index FROM omega.placement p JOIN omega.machine m USING (machine_id) "
        f"WHERE m.worker_id = {cell.worker.holder_id} ORDER BY p.first_index, p.job_id LIMIT {count}"
    )
    for job, index in rows:
        found += [one for one in inside.store.placements(int(job)) if one.first_index == index]
    return found


def test_a_commit_that_fits(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    jobs = sorted(queued(inside, tasks=30, cpu=10) for _ in range(2))
    scheduler.claim(limit=2)
    sent = transaction_of(
        scheduler.lease, [Wish(job, machine) for job in jobs for machine in some(20).tolist()]
    )
    with inside.reading(reads):
        assert inside.store.commit(sent).accepted.sum() == 40
    hot(reads, touched=20 + 2)


def test_a_commit_that_is_judged(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    job, coarse = (
        queued(inside, tasks=30, cpu=10_000, commit=CommitMode.GANG, gang_min=1),
        queued(inside, tasks=30, detection=Detection.COARSE),
    )
    scheduler.claim(limit=2)
    wishes = [Wish(one, machine) for one in (job, coarse) for machine in some(20).tolist()]
    sent = transaction_of(scheduler.lease, wishes, alternatives={coarse: some(10, step=11).tolist()})
    with inside.reading(reads):
        verdict = inside.store.commit(sent)
    assert verdict.accepted.sum() == 40  # where its own machine was claimed since, an alternative took it
    assert (verdict.machine_id[20:] != sent.machine_id[20:]).any()
    hot(reads, touched=30 + 2)


def test_a_commit_that_preempts(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    job = queued(inside, tasks=10, cpu=16_000)
    scheduler.claim(limit=1)
    machines = some(5)
    weaker = inside.store.preemptible(machines, below=900)
    wishes = []
    for machine in machines.tolist():
        rows = [at for at, one in enumerate(weaker.machine_id.tolist()) if one == machine]
        victims = tuple(
            next(
                one
                for one in inside.store.placements(int(weaker.job_id[at]))
                if one.first_index == weaker.first_index[at]
            )
            for at in rows
        )
        wishes.append(Wish(job, machine, victims=victims))
    with inside.reading(reads):
        verdict = inside.store.commit(transaction_of(scheduler.lease, wishes))
    assert verdict.preempted.sum() == len(weaker.job_id), (verdict.reason, verdict.free, len(weaker.job_id))
    hot(reads, touched=5 + 1 + len(weaker.job_id))


def test_a_commit_of_tasks_that_run_again(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    (job,) = scheduler.claim(limit=1)
    inside.say(f"UPDATE omega.retry SET not_before = 'epoch' WHERE job_id = {job.job_id}")
    with inside.reading(reads):
        assert scheduler_commit(inside, scheduler, job.job_id, some(5)) == 5
    hot(reads, touched=5 + 1 + 10)


def scheduler_commit(inside: OneTransaction, scheduler: SchedulerHand, job: int, machines: Int64) -> int:
    wishes = [Wish(job, machine) for machine in machines.tolist()]
    return int(inside.store.commit(transaction_of(scheduler.lease, wishes)).accepted.sum())


def test_a_commit_sent_again(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    (job,) = scheduler.claim(limit=1)
    sent = transaction_of(scheduler.lease, [Wish(job.job_id, machine) for machine in some(5).tolist()])
    inside.store.commit(sent)
    with inside.reading(reads):
        inside.store.commit(sent)
    hot(reads, touched=5 + 1)


def test_syncing_a_small_change(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    (job,) = scheduler.claim(limit=1)
    watermark = inside.store.sync(None).watermark
    scheduler_commit(inside, scheduler, job.job_id, some(5))
    with inside.reading(reads):
        changes = inside.store.sync(watermark)
    assert changes.rows.machine_id.tolist() == some(5).tolist()
    hot(reads, touched=5)


def test_being_told_of_a_few_events(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    (job,) = scheduler.claim(limit=1)
    watermark = inside.store.events(None).watermark
    scheduler_commit(inside, scheduler, job.job_id, some(5))
    with inside.reading(reads):
        events = inside.store.events(watermark).events
    assert [event.machine_id for event in events] == some(5).tolist()
    hot(reads, touched=1)


def test_counting_the_conflicts_of_a_while(
    inside: OneTransaction, cell: LoadedCell, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    inside.say("UPDATE omega.cell_log SET at = at - interval '1 hour'")
    job = queued(inside, tasks=9, cpu=16_001)
    scheduler.claim(limit=1)
    scheduler_commit(inside, scheduler, job, some(5))
    with inside.reading(reads):
        found = inside.store.conflicts(since=cell.now - 300.0)
    assert sum(one.claims for one in found) == 5
    hot(reads, touched=2)


def test_claiming_jobs(inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]) -> None:
    queued(inside, spread="rack")
    with inside.reading(reads):
        assert len(scheduler.claim(limit=3)) == 3
    hot(reads, touched=3 + 20)  # and the retries of two of them


def test_claiming_a_job_that_spreads_reads_its_own_placements(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    with inside.reading(reads):
        claimed = scheduler.claim(limit=4)
    assert [len(job.placed_on) for job in claimed].count(100) == 1
    hot(reads, touched=4 + 40 + 100)


def test_settling(inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]) -> None:
    jobs = scheduler.claim_ids(limit=5)
    with inside.reading(reads):
        scheduler.settle(*jobs, after=1.0, explanation='{"seen": 1}')
    hot(reads, touched=5 + 50)


def test_settling_a_job_that_gave_up(
    inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]
) -> None:
    jobs = scheduler.claim_ids(limit=2)
    with inside.reading(reads):
        scheduler.settle(*jobs, gave_up=True)
    hot(reads, touched=2 + 20)


def test_preemptible(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    with inside.reading(reads):
        found = inside.store.preemptible(some(20), below=900)
    assert len(found.job_id) >= 100
    hot(reads, touched=len(found.job_id))


def test_reserving(inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]) -> None:
    gang = queued(inside, tasks=10, commit=CommitMode.GANG)
    scheduler.claim(limit=1)
    with inside.reading(reads):
        assert scheduler.reserve(gang, *some(10).tolist()) == 10
    hot(reads, touched=10)


def test_renewing(
    inside: OneTransaction, scheduler: SchedulerHand, worker: WorkerHand, reads: dict[str, Reads]
) -> None:
    with inside.reading(reads):
        scheduler.renew()
        worker.renew()
    hot(reads, touched=2)


def test_pulling_what_changed(
    inside: OneTransaction, scheduler: SchedulerHand, worker: WorkerHand, reads: dict[str, Reads]
) -> None:
    held = worker.pull()
    assert len(held) == MACHINES // 10
    (job,) = scheduler.claim(limit=1)
    mine = np.array([one.machine_id for one in held[:3]])
    scheduler_commit(inside, scheduler, job.job_id, mine)
    with inside.reading(reads):
        changed = worker.pull({one.machine_id: one.version for one in held})
    assert [one.machine_id for one in changed] == mine.tolist()
    assert reads["placement"].rows == sum(len(one.placements) for one in changed)
    hot(reads, touched=len(held))


def test_reporting_starts(
    inside: OneTransaction, cell: LoadedCell, worker: WorkerHand, reads: dict[str, Reads]
) -> None:
    placements = held_by(cell, inside, 20)
    with inside.reading(reads):
        worker.start(*placements)
    hot(reads, touched=20)


def test_reporting_ends(
    inside: OneTransaction, cell: LoadedCell, worker: WorkerHand, reads: dict[str, Reads]
) -> None:
    placements = held_by(cell, inside, 20)
    with inside.reading(reads):
        told = worker.end(*placements[:10]) + worker.end(*placements[10:], state=AttemptState.FAILED)
    assert all(told)
    hot(
        reads, touched=20 + len({one.job_id for one in placements}) + 10 * 20
    )  # and the retries of these jobs


def test_folding_everything(
    inside: OneTransaction,
    cell: LoadedCell,
    worker: WorkerHand,
    reads: dict[str, Reads],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placements = held_by(cell, inside, 20)
    with monkeypatch.context() as patch:
        patch.setattr(inside.store, "_fold", lambda jobs: None)
        worker.end(*placements)
    jobs = {one.job_id for one in placements}
    with inside.reading(reads):
        assert inside.store.fold() == len(jobs)
    hot(reads, touched=20 + 11 * len(jobs))


def test_submitting(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    jobs = [submission(key=f"k{number}", tasks=3, inputs=(b"a", b"b", b"c")) for number in range(10)]
    with inside.reading(reads):
        inside.store.submit(jobs)
    hot(reads, touched=10)
    reads.clear()
    with inside.reading(reads):
        inside.store.submit(jobs)
    hot(reads, touched=10)


def test_cancelling(inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]) -> None:
    (job,) = scheduler.claim(limit=1)
    with inside.reading(reads):
        inside.store.cancel(job.job_id)
    hot(reads, touched=100 + 100 + 10)


def test_draining(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    inside.store.machines()
    with inside.reading(reads):
        inside.store._connections.call("drain_machine", "m7", False, True)
    hot(reads, touched=1 + 7)


def test_reaping_a_machine_of_many(inside: OneTransaction, cell: LoadedCell, reads: dict[str, Reads]) -> None:
    inside.say(f"UPDATE omega.worker SET expires_at = 'epoch' WHERE worker_id = {cell.worker.holder_id}")
    with inside.reading(reads):
        (jobs,) = inside.store._connections.call("reap_machine", 10)[0]
    assert len(jobs) > 0
    hot(reads, touched=1 + 7)


def test_registering_machines_anew(
    inside: OneTransaction, cell: LoadedCell, worker: WorkerHand, reads: dict[str, Reads]
) -> None:
    with inside.reading(reads):
        worker.bring(*(machine_spec(f"m{number}") for number in range(10, 110, 10)))
    hot(reads, touched=10 * (1 + 7) + 70 * 11)


def test_looking_at_a_job(inside: OneTransaction, scheduler: SchedulerHand, reads: dict[str, Reads]) -> None:
    (job,) = scheduler.claim_ids(limit=1)
    with inside.reading(reads):
        inside.store.job(job)
        inside.store.outcomes(job)
        inside.store.outcomes(job, task_indexes=(103, 104))
        inside.store.placements(job)
        inside.store.retries(job)
        inside.store.preemptions(job)
        inside.store.explanation(job)
        inside.store.definitions([job])
        inside.store.inputs(job, 60, 3)
    hot(reads, touched=9 + 12 + 100 + 10 * 8 + 20)


def test_listing_the_newest_jobs(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    with inside.reading(reads):
        assert len(inside.store.jobs(limit=20)) == 20
    hot(reads, touched=20)


def test_submitting_what_comes_after_others(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    (running, *_) = (one.job_id for one in inside.store.jobs(states=[JobState.RUNNING], limit=1))
    ended = [one.job_id for one in inside.store.jobs(states=[JobState.SUCCEEDED], limit=5)]
    with inside.reading(reads):
        (told,) = inside.store.submit([submission(after=(running,), after_any=tuple(sorted(ended)))])
    assert inside.store.job(told.job_id).blocked_by == 1
    hot(reads, touched=6)


def test_ending_one_of_many_that_a_job_waits_for(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    waiting = [one.job_id for one in inside.store.jobs(states=[JobState.PENDING], limit=250)]
    (fan_in,) = inside.store.submit([submission(after_any=tuple(sorted(waiting)))])
    assert inside.store.job(fan_in.job_id).blocked_by == 250
    with inside.reading(reads):
        inside.store.cancel(waiting[0])
    assert inside.store.job(fan_in.job_id).blocked_by == 249
    assert reads.pop("dependency").rows < 300  # of so small a table a scan is the cheapest; no second one
    hot(reads, touched=2)


def test_following_the_ends_of_an_open_job(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    (told,) = inside.store.submit([submission(tasks=50, open=True)])
    watermark = inside.store.ended(told.job_id, None).watermark
    inside.store.cancel_tasks(told.job_id, [(3, 5)])
    with inside.reading(reads):
        assert len(inside.store.ended(told.job_id, watermark).outcomes) == 5
    hot(reads, touched=5)


def test_running_again_what_has_failed(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    (job,) = (one.job_id for one in inside.store.jobs(states=[JobState.SUCCEEDED], limit=1))
    inside.say(f"UPDATE omega.job_state SET state = 'failed', succeeded = 0, failed = 1 WHERE job_id = {job}")
    inside.say(f"UPDATE omega.outcome SET state = 'failed' WHERE job_id = {job}")
    with inside.reading(reads):
        inside.store.retry_failed(job)
    hot(reads, touched=3)


def test_reaping_where_some_jobs_wait(inside: OneTransaction, reads: dict[str, Reads]) -> None:
    (running,) = (one.job_id for one in inside.store.jobs(states=[JobState.RUNNING], limit=1))
    inside.store.submit([submission(after=(running,), deadline_seconds=5.0) for _ in range(3)])
    with inside.reading(reads):
        inside.store.reap()
    hot(reads, touched=10)
