"""Schedulers really compete: separate processes, one nearly full cell, no coordinator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from omegacell.cellstate.model import Amounts, Detection
from omegacell.cellstate.postgres import PostgresStore
from tests.contract.scene import machine_spec, submission, worker_spec
from tests.processes import eventually, running, scheduler

JOBS, TASKS, MACHINES = 60, 10, 20


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(database)
    yield store
    store.close()


@pytest.mark.parametrize("detection", list(Detection))
def test_four_schedulers_on_a_nearly_full_cell_conflict_and_stay_correct(
    store: PostgresStore, database: str, detection: Detection
) -> None:
    lease = store.register_worker(worker_spec("w"), lease_seconds=600)
    # Room for all tasks, and for not one more.
    specs = [machine_spec(f"m{number}", cpu=1000 * JOBS * TASKS // MACHINES) for number in range(MACHINES)]
    store.register_machines(lease.holder_id, lease.token, specs)
    store.submit([submission(tasks=TASKS, cpu=1000, detection=detection) for _ in range(JOBS)])

    rivals = [scheduler(database, f"s{number}", "--think-job", "0.05") for number in range(4)]
    with running(*rivals):
        eventually(
            lambda: sum(machine.placements for machine in store.machines()) == JOBS * TASKS,
            seconds=60,
            what="every task is placed",
        )
    schedulers = store.schedulers()
    assert sum(one.transactions_failed for one in schedulers) > 0
    assert sum(one.placements for one in schedulers) == JOBS * TASKS
    for machine in store.machines():
        assert machine.used == Amounts(cpu_milli=machine.capacity.cpu_milli)
    assert store.check() == ()
