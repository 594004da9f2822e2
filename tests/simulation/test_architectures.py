"""What tells the architectures apart: who sees what of the cell, and when."""

from __future__ import annotations

from importlib import import_module
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from omegacell.bench.sim.architectures.feed import Feed, Reader
from omegacell.bench.sim.architectures.monolithic import Monolithic
from omegacell.bench.sim.architectures.partitioned import parts
from omegacell.bench.sim.architectures.two_level import OfferedDriver, mean_locked
from omegacell.bench.sim.engine import Engine
from omegacell.bench.sim.options import Options
from omegacell.bench.sim.scenario import Scenario, SchedulerSpec, parse
from omegacell.bench.sim.simulation import Simulation
from omegacell.cellstate.errors import SpecInvalid
from omegacell.sim import scenario_of, simulate, vary


def arranged(scenario: Scenario, seed: int = 1) -> Simulation:
    simulation = Simulation(scenario, seed=seed)
    import_module(f"omegacell.bench.sim.architectures.{scenario.architecture}").arrange(simulation)
    return simulation


def hot(architecture: str, **options: Any) -> Scenario:
    return vary(scenario_of("hot"), Options.model_validate({"architecture": architecture, **options}))


def crowded(architecture: str, **changes: Any) -> Scenario:
    """200 machines of which little more than the load is free, two batch schedulers that think for a moment."""
    return parse(
        {
            "name": "crowded",
            "architecture": architecture,
            "runtime_seconds": 1200,
            "cell": {
                "machines": 200,
                "cpu": 4,
                "memory": "16GB",
                "filled": [{"tasks": 1200, "cpu": 0.5, "memory": "1GB"}],
            },
            "scheduler": [
                {"name": "batch", "count": 2, "think_job_seconds": 0.05, "think_task_seconds": 0.001}
            ],
            "workload": [
                {
                    "kind": "batch",
                    "source": "exponential",
                    "stream": 1,
                    "gap_seconds": 0.5,
                    "tasks": 10,
                    "duration_seconds": 17,
                    "cpu": 0.5,
                    "memory": "1GB",
                }
            ],
            **changes,
        },
        "crowded",
    )


# --- monolithic


def test_a_single_path_thinks_about_every_job_as_long_as_the_slowest() -> None:
    simulation = arranged(hot("monolithic_single", service_t_job=10.0, service_t_task=0.1))
    (driver,) = simulation.drivers
    simulation.cell.submit(0)
    (job,) = driver.desk.taken.values()
    assert job.claimed().scheduler == "batch"
    assert driver.scheduler.think_seconds(job.claimed()) == pytest.approx(
        10.0 + 0.1 * simulation.jobs.tasks[0]
    )


def test_multi_path_thinks_about_a_batch_job_as_the_batch_scheduler_does() -> None:
    simulation = arranged(hot("monolithic_multi", service_t_job=10.0))
    (driver,) = simulation.drivers
    assert isinstance(driver.scheduler, Monolithic)
    simulation.cell.submit(0)
    (job,) = driver.desk.taken.values()
    assert driver.scheduler.think_seconds(job.claimed()) == pytest.approx(
        0.1 + 0.005 * simulation.jobs.tasks[0]
    )


def test_a_single_path_is_saturated_where_multi_path_is_not() -> None:
    single, multi = (
        simulate("hot", runtime=3600, architecture=each, service_t_job=10.0).metrics["ms_busyness"]
        for each in ("monolithic_single", "monolithic_multi")
    )
    assert single > 0.98
    assert multi < 0.6


# --- partitioned


def spec(name: str, **fields: Any) -> SchedulerSpec:
    return SchedulerSpec(name=name, **fields)


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ([spec("batch"), spec("service")], [(0, 50), (50, 100)]),
        ([spec("batch", count=3), spec("service")], [(0, 25), (25, 50), (50, 75), (75, 100)]),
        ([spec("batch", count=2, share=0.2), spec("service")], [(0, 10), (10, 20), (20, 100)]),
        ([spec("batch", share=0.3), spec("service", share=0.3)], [(0, 30), (30, 60)]),
    ],
)
def test_shares_are_parts_of_the_machines(
    specs: list[SchedulerSpec], expected: list[tuple[int, int]]
) -> None:
    assert parts(specs, 100) == expected


@pytest.mark.parametrize(
    "specs", [[spec("batch", share=0.6), spec("service", share=0.6)], [spec("a", share=1.0), spec("b")]]
)
def test_shares_that_cannot_be_are_refused(specs: list[SchedulerSpec]) -> None:
    with pytest.raises(SpecInvalid):
        parts(specs, 100)


def test_no_scheduler_leaves_its_part_and_none_conflicts() -> None:
    simulation = arranged(hot("partitioned", batch_schedulers=2, batch_rate=4.0, runtime=600.0))
    simulation.run()
    ends = dict(zip((1, 2, 3), parts(simulation.scenario.scheduler, 1000), strict=True))
    held = [entry for entry in simulation.cell.held() if entry.job.sort.shape.kind != "filled"]
    assert held
    for entry in held:
        kind, arrived = entry.job.sort.shape.kind, entry.rows
        allowed = [ends[1], ends[2]] if kind == "batch" else [ends[3]]
        assert any(first <= arrived.min() and arrived.max() < last for first, last in allowed)
    assert all(driver.account.failed == 0 for driver in simulation.drivers)


# --- two-level


def test_a_job_waits_for_an_offer_however_idle_the_cell_is() -> None:
    simulation = arranged(hot("two_level", runtime=600.0))
    simulation.run()
    waits = simulation.cell.history.first_wait
    assert waits[waits >= 0].mean() > 0.5


def test_what_is_offered_is_locked_until_the_answer() -> None:
    simulation = arranged(hot("two_level", runtime=1200.0, service_t_job=100.0))
    batch, service = simulation.drivers
    assert isinstance(service, OfferedDriver)
    simulation.run()
    # Of 40 % that is free, nearly all is locked while the service scheduler thinks, which it does all the time.
    assert mean_locked(simulation)[0] > 0.25
    assert simulation.cell.history.first_wait[:].max() > 100.0
    assert batch.account.failed == service.account.failed == 0


def test_the_scheduler_whose_tasks_hold_least_is_offered_first() -> None:
    simulation = arranged(hot("two_level", runtime=3600.0))
    batch, service = simulation.drivers
    assert isinstance(batch, OfferedDriver)
    assert isinstance(service, OfferedDriver)
    allocator = batch.allocator
    simulation.run()
    shares = {driver: allocator.share(driver.scheduler.lease.holder_id) for driver in (batch, service)}
    held = np.zeros(3)
    for entry in simulation.cell.held():
        if entry.job.sort.shape.kind == "service":
            held += entry.slots.sum() * entry.job.sort.vector
    capacity = simulation.cell.snapshot.capacity.sum(axis=0)
    assert shares[service] == pytest.approx((held[:2] / capacity[:2]).max())
    for driver in (batch, service):  # both in need, nobody thinking
        simulation.cell.desks[driver.scheduler.lease.holder_id].queue.clear()
        driver.busy = False
    for driver in (batch, service):
        driver.desk.queue.append(simulation.cell.held()[-1].job)
    allocator._offers.clear()
    allocator._round(None)
    assert list(allocator._offers) == [min(shares, key=shares.__getitem__).scheduler.lease.holder_id]


def test_locks_of_offers_add_up_to_no_more_than_what_is_free() -> None:
    simulation = arranged(crowded("two_level", runtime_seconds=300))
    simulation.run()
    simulation.cell.check()
    assert all(driver.account.failed == 0 for driver in simulation.drivers)
    assert sum(driver.account.placements for driver in simulation.drivers) > 500


# --- partitioned synchronisation


def test_a_rivals_claim_is_unseen_until_the_turn_of_its_partition() -> None:
    engine = Engine()
    whole = arranged(hot("shared_state")).cell.snapshot
    feed = Feed(engine, whole)
    reader = Reader(feed, partitions=4, round_seconds=8.0, ahead=0.0)  # turns of partition 1: 2, 10, 18 s
    row = np.array([300])
    engine.run(until=3.0)
    before = whole.free[300].copy()
    whole.free[row] -= 1
    feed.note(row)
    for now, seen in ((3.0, before), (9.9, before), (10.0, before - 1)):
        reader.catch_up(now)
        assert (reader.copy.free[300] == seen).all()


def test_what_a_commit_has_shown_is_not_overwritten_by_what_was_before() -> None:
    engine = Engine()
    whole = arranged(hot("shared_state")).cell.snapshot
    feed = Feed(engine, whole)
    reader = Reader(feed, partitions=4, round_seconds=8.0, ahead=0.0)
    row = np.array([300])
    engine.run(until=3.0)
    whole.free[row] -= 1
    feed.note(row)
    engine.run(until=4.0)
    whole.free[row] -= 1
    feed.note(row)
    reader.told(row, 4.0)
    reader.catch_up(10.0)
    assert (reader.copy.free[300] == whole.free[300]).all()


def test_in_a_full_cell_a_long_round_leaves_room_unseen() -> None:
    def without_room(seconds: float) -> int:
        simulation = arranged(crowded("parsync", sync_seconds=seconds, runtime_seconds=120))
        simulation.run()
        simulation.cell.check()
        return sum(driver.account.no_room for driver in simulation.drivers)

    found = [without_room(seconds) for seconds in (0.1, 20.0)]
    assert found[1] > 2 * found[0]


def test_schedulers_refresh_different_partitions_at_any_time() -> None:
    simulation = arranged(hot("parsync", batch_schedulers=3, sync_seconds=8.0))
    readers = [driver._reader for driver in simulation.drivers]  # type: ignore[attr-defined]
    for now in np.arange(16.0, 32.0, 0.37):
        for reader in readers:
            reader.catch_up(float(now))
        for one, other in combinations(readers, 2):
            assert not (one.freshest() & other.freshest()).any()


def test_where_the_freshest_machines_have_room_few_conflict() -> None:
    def conflicts(architecture: str) -> float:
        load: dict[str, Any] = {"batch_schedulers": 4, "batch_rate": 6.0, "service_t_job": 1.0}
        found = simulate("hot", runtime=1200, architecture=architecture, sync_seconds=2.0, **load)
        return found.metrics["bs_txn_failed"]

    assert conflicts("parsync") < conflicts("shared_state") / 2
