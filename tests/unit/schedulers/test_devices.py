"""Plans count devices, named resources and reservations as the commit will."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omegacell.cellstate.model import Amounts, Constraint, Operator, Reason, Transaction
from omegacell.cellstate.room import Room
from omegacell.cellstate.snapshot import Snapshot
from omegacell.schedulers import devices
from omegacell.schedulers.feasible import eligible, room
from omegacell.schedulers.plan_check import offence
from omegacell.schedulers.policies.best_fit import BestFit
from omegacell.schedulers.policy import Plan, Request
from omegacell.schedulers.refusals import count_refusals
from omegacell.schedulers.score import make_plan
from omegacell.schedulers.view import AttemptView
from tests.unit.schedulers.builders import START, MemoryCell, claimed_job, extras, request, view

FREE = st.lists(st.sampled_from([0, 100, 250, 400, 500, 999, 1000]), max_size=6)
GPU = st.sampled_from([1, 100, 250, 300, 500, 999, 1000, 2000, 3000])


@given(machines=st.lists(FREE, min_size=1, max_size=4), gpu_milli=GPU, slots=st.integers(1, 12))
def test_devices_are_handed_out_as_the_commit_does_it(
    machines: list[list[int]], gpu_milli: int, slots: int
) -> None:
    width, none = max(len(free) for free in machines), np.zeros(len(machines), dtype=np.int64)
    padded = [free + [-1] * (width - len(free)) for free in machines]
    free = np.array(padded, dtype=np.int64).reshape(len(machines), width)
    found = [Room((0, 0, 0), devices=has) for has in machines]
    task = Amounts(gpu_milli=gpu_milli)
    fitting = np.minimum(devices.slots_fitting(gpu_milli, free), slots)
    assert fitting.tolist() == [one.fit(task, wanted=slots).slots for one in found]
    for one, fits in zip(found, fitting.tolist(), strict=True):
        one.place(task, slots=fits)
    after = free - devices.taken(gpu_milli, free, fitting, none)
    assert [has[has >= 0].tolist() for has in after] == [one.devices for one in found]
    offered = [one.fit(task, wanted=10**9).free for one in found]
    assert devices.on_offer(gpu_milli, after).tolist() == offered


def test_machine_takes_the_shares_that_fit_on_single_devices_and_whole_devices_that_are_free() -> None:
    cell = view([[9, 0, 0]] * 3, extras=extras([[1000, 600, 500], [1000, 1000, 1000], []]))
    assert room(request(9, gpu_milli=300), cell).tolist() == [6, 9, 0]
    assert room(request(9, gpu_milli=1000), cell).tolist() == [1, 3, 0]
    assert room(request(9, gpu_milli=2000), cell).tolist() == [0, 1, 0]
    assert room(request(9, cpu=4, gpu_milli=300), cell).tolist() == [2, 2, 0]
    assert room(request(9), cell).tolist() == [9, 9, 9]


def test_cell_without_devices_takes_no_task_that_wants_one() -> None:
    cell = view([[9, 0, 0]] * 2)
    assert room(request(9, gpu_milli=300), cell).tolist() == [0, 0]
    assert room(request(9, gpu_milli=1000), cell).tolist() == [0, 0]


def test_named_resource_bounds_the_tasks_of_a_machine() -> None:
    cell = view([[9, 0, 0]] * 3, extras=extras(custom={"fpga": [7_000, 2_000, -1]}))
    assert room(request(9, custom=(("fpga", 2_000),)), cell).tolist() == [3, 1, 0]
    assert room(request(9, custom=(("fpga", 1_000), ("unheard-of", 1))), cell).tolist() == [0, 0, 0]


def test_claims_take_devices_and_named_resources_and_rollback_gives_them_back() -> None:
    cell = view([[9, 0, 0]] * 2, extras=extras([[1000, 400], [1000]], custom={"fpga": [5, 5]}))
    shares = request(gpu_milli=300, custom=(("fpga", 2),))
    cell.claim(shares, np.array([0, 1]), np.array([2, 1]))
    assert cell.device_free.tolist() == [[700, 100], [700, -1]]
    assert cell.free("fpga").tolist() == [1, 3]
    mark = cell.mark()
    cell.claim(request(gpu_milli=700), np.array([1]), np.array([1]))
    assert cell.device_free.tolist() == [[700, 100], [0, -1]]
    cell.rollback(mark)
    assert cell.device_free.tolist() == [[700, 100], [700, -1]]
    cell.rollback(0)
    assert cell.device_free.tolist() == [[1000, 400], [1000, -1]]
    assert cell.free("fpga").tolist() == [5, 5]


@settings(max_examples=60)
@given(
    gpus=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    wanted=st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from([0, 250, 300, 600, 1000, 2000]), st.integers(0, 2)),
        min_size=1,
        max_size=8,
    ),
)
def test_view_foresees_what_the_commit_leaves(gpus: list[int], wanted: list[tuple[int, int, int]]) -> None:
    cell = MemoryCell(*(Amounts(cpu_milli=9, gpu_milli=1000 * has, custom=(("fpga", 9),)) for has in gpus))
    for tasks, gpu, fpga in wanted:
        cell.submit(tasks, 1, gpu=gpu, custom=(("fpga", fpga),) if fpga else ())
    lease = cell.store.register_scheduler("s-1", "batch", lease_seconds=10.0)
    jobs = cell.store.claim_jobs(lease.holder_id, lease.token, limit=99)
    snapshot = Snapshot()
    snapshot.apply(cell.store.sync(None))
    attempt, plans, rng = AttemptView(snapshot, START), [], np.random.default_rng(1)
    for job in jobs:
        asked = Request.of(job, job.pending)
        plans.append(make_plan(BestFit(), asked, attempt, rng))
        attempt.claim(asked, plans[-1].rows, plans[-1].slots)
    foreseen = attempt.device_free.copy(), attempt.free("fpga").copy(), attempt.free_matrix.copy()
    attempt.rollback(0)
    rows = np.concatenate([plan.rows for plan in plans])
    verdict = cell.store.commit(
        Transaction(
            txn_id=UUID(int=1),
            scheduler_id=lease.holder_id,
            token=lease.token,
            job_id=np.repeat([job.job_id for job in jobs], [len(plan.rows) for plan in plans]),
            machine_id=snapshot.machine_id[rows],
            slots=np.concatenate([plan.slots for plan in plans]),
            claim_sequence=snapshot.claim_sequence[rows],
        )
    )
    snapshot.apply_rows(verdict.rows)
    assert set(verdict.reason.tolist()) <= {Reason.ACCEPTED}
    left = snapshot.device_free, snapshot.named["fpga"].free, snapshot.free
    assert [one.tolist() for one in left] == [one.tolist() for one in foreseen]


def test_claim_of_named_devices_takes_those() -> None:
    cell = view([[9, 0, 0]] * 2, extras=extras([[1000, 400, 1000], [1000, 1000, 1000]]))
    cell.claim(request(gpu_milli=2000), np.array([1]), np.array([1]), np.array([0b101]))
    assert cell.device_free.tolist() == [[1000, 400, 1000], [0, 1000, 0]]
    cell.claim(request(gpu_milli=300), np.array([0, 1]), np.array([1, 1]), np.array([0b100, 0]))
    assert cell.device_free.tolist() == [[1000, 400, 700], [0, 700, 0]]


def test_free_and_capacity_speak_of_devices_and_named_resources_by_name() -> None:
    cell = view([[9, 0, 0]] * 2, extras=extras([[1000, 400], []], custom={"fpga": [-1, 5]}))
    assert cell.free("gpu_milli").tolist() == [1400, 0]
    assert cell.capacity("gpu_milli").tolist() == [2000, 0]
    assert cell.free("fpga").tolist() == [0, 5]
    assert cell.capacity("fpga").tolist() == [0, 9_000]
    with pytest.raises(KeyError, match=r"'tpu' is unknown; expected one of .*gpu_milli, fpga"):
        cell.free("tpu")


def test_policies_cannot_write_devices_or_named_resources() -> None:
    cell = view([[9, 0, 0]], extras=extras([[1000]], custom={"fpga": [5]}, reserved={1: (7, 100, START + 1)}))
    windows = cell.device_free, cell.free("fpga"), cell.free_named("tpu"), cell.available_to(request())
    for window in windows:
        with pytest.raises(ValueError, match="read-only"):
            window[0] = 0


@pytest.mark.parametrize(
    ("reserved", "free_for_us"),
    [
        ((7, 100, START + 1), False),  # another job of equal priority
        ((7, 101, START + 1), False),
        ((7, 99, START + 1), True),
        ((1, 100, START + 1), True),  # for this very job
        ((7, 100, START), True),  # it has just passed
    ],
)
def test_machine_kept_for_another_job_is_not_available(
    reserved: tuple[int, int, float], free_for_us: bool
) -> None:
    cell = view([[9, 0, 0]] * 2, extras=extras(reserved={2: reserved}))
    assert eligible(request(), cell).tolist() == [True, free_for_us]
    assert cell.available.tolist() == [True, True]


def test_reservation_of_a_machine_that_is_down_does_not_make_it_available() -> None:
    cell = view([[9, 0, 0]], available=[False], extras=extras(reserved={1: (1, 100, START + 1)}))
    assert eligible(request(), cell).tolist() == [False]


def test_refusals_name_devices_named_resources_and_reservations() -> None:
    cell = view(
        [[9, 0, 0]] * 5,
        [{"zone": "a"}] * 4 + [{"zone": "b"}],
        available=[True, True, True, False, True],
        extras=extras(
            [[600, 600], [1000, 0], [1000, 1000], [1000], [500]],
            custom={"fpga": [9, 1, 9, 9, 9]},
            reserved={3: (7, 100, START + 1)},
        ),
    )
    only_a = Constraint(attribute="zone", operator=Operator.EQ, values=("a",))
    shares = count_refusals(request(gpu_milli=700, custom=(("fpga", 2),), constraints=(only_a,)), cell)
    assert (shares.unavailable, shares.reserved, shares.fitting) == (1, 1, 0)
    assert shares.constraints == {"zone = a": 1}
    assert shares.dimensions == {"gpu": 1, "fpga": 1}
    assert shares.nearest == "m2"  # lacks 1 of the 9,000 that the largest machine has
    assert (shares.nearest_free["gpu"], shares.nearest_free["fpga"]) == (1000, 1)
    whole = count_refusals(request(gpu_milli=2000), cell)
    assert whole.dimensions == {"gpu": 3}
    assert whole.nearest_free["gpu"] == 1000
    assert whole.largest["gpu"] == 2000
    assert "gpu" not in count_refusals(request(cpu=99), cell).largest


@pytest.mark.parametrize(
    ("gpu_milli", "slots", "named", "words"),
    [
        (300, [1, 1], [0b1], "expected an integer mask for each row"),
        (300, [1, 1], [0.5, 0.5], "expected an integer mask for each row"),
        (300, [2, 1], [0b1, 0], "for 2 slots on machine 'm1'; expected them for a single slot"),
        (300, [1, 1], [0b11, 0], "0x3 on machine 'm1'; expected a mask of 1 devices"),
        (2000, [1, 1], [0b1, 0], "expected a mask of 2 devices"),
        (0, [1, 1], [0b1, 0], "expected a mask of 0 devices"),
        (300, [1, 1], [-1, 0], "expected a mask of 1 devices"),
        (300, [1, 1], [0b100, 0], "expected devices it has, with 300 milli free each"),
        (300, [1, 1], [0, 1 << 40], "'m2'; expected devices it has"),
        (700, [1, 1], [0b10, 0], "expected devices it has, with 700 milli free each"),
        (1000, [2, 1], [0, 0], "2 tasks on machine 'm1', which may take 1"),
        (300, [1, 1], [0b10, 0b1], ""),
        (300, [3, 1], [0, 0b10], ""),
        (1000, [1, 1], [0b1, 0b10], ""),
    ],
)
def test_plan_may_name_devices_only_as_the_commit_accepts_them(
    gpu_milli: int, slots: list[int], named: list[float], words: str
) -> None:
    cell = view([[9, 0, 0]] * 2, extras=extras([[1000, 500], [1000, 1000]]))
    if gpu_milli == 2000:
        cell = view([[9, 0, 0]] * 2, extras=extras([[1000, 1000], [1000, 1000]]))
    plan = Plan(rows=np.array([0, 1]), slots=np.array(slots), devices=np.array(named))
    said = offence(request(9, gpu_milli=gpu_milli), cell, plan)
    assert words in said
    assert bool(words) == bool(said)


def test_devices_for_a_plan_without_rows_are_refused() -> None:
    plan = Plan(rows=np.array([]), slots=np.array([]), devices=np.array([1]))
    assert "expected an integer mask for each row" in offence(request(), view([[9, 0, 0]]), plan)


def test_request_asks_for_what_a_task_of_the_job_takes() -> None:
    amounts = Amounts(cpu_milli=5, gpu_milli=300, custom=(("fpga", 2_000),))
    asked = Request.of(claimed_job(amounts=amounts, priority=7), 3)
    assert (asked.gpu_milli, asked.custom, asked.priority, asked.count) == (300, (("fpga", 2_000),), 7, 3)
