"""What schedulers lost to each other, what happens in the cell, and what schedulers are told to do."""

from __future__ import annotations

import time
from itertools import islice

import pytest

import omegacell as omega
from omegacell.cellstate.clock import ManualClock
from omegacell.cellstate.model import ConflictCount, Reason, Wanted
from omegacell.client.cell import Cell
from omegacell.client.conflicts import added_up
from tests.contract.scene import Scene


def count(scheduler: int, machine: int, rival: int, reason: Reason, claims: int) -> ConflictCount:
    return ConflictCount(
        scheduler_id=scheduler,
        machine_id=machine,
        rival_scheduler=rival,
        reason=reason,
        claims=claims,
        slots=2 * claims,
    )


COUNTS = (
    count(1, 7, 2, Reason.CPU, 3),
    count(1, 8, 2, Reason.MEMORY, 5),
    count(2, 7, 1, Reason.CPU, 4),
    count(2, 7, 0, Reason.SEQUENCE, 1),
)
NAMES = {"machines": {7: "m7"}, "schedulers": {1: "one", 2: "two"}}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (["machine"], [({"machine": "m7"}, 8), ({"machine": "8"}, 5)]),
        (
            ["dimension"],
            [({"dimension": "cpu"}, 7), ({"dimension": "memory"}, 5), ({"dimension": "sequence"}, 1)],
        ),
        (["rival"], [({"rival": "two"}, 8), ({"rival": "one"}, 4), ({"rival": "unknown"}, 1)]),
        (
            ["scheduler", "machine"],
            [
                ({"scheduler": "one", "machine": "8"}, 5),
                ({"scheduler": "two", "machine": "m7"}, 5),
                ({"scheduler": "one", "machine": "m7"}, 3),
            ],
        ),
        ([], [({}, 13)]),
    ],
)
def test_conflicts_are_added_up_by_what_is_asked(
    by: list[str], expected: list[tuple[dict[str, str], int]]
) -> None:
    rows = added_up(COUNTS, by, machines=NAMES["machines"], schedulers=NAMES["schedulers"])
    assert [(row.keys, row.claims) for row in rows] == expected
    assert [row.slots for row in rows] == [2 * row.claims for row in rows]


@pytest.mark.parametrize("clock", [ManualClock(time.time())])
def test_a_lost_claim_is_found_by_machine_and_rival(cell: Cell, scene: Scene) -> None:
    machine = scene.worker().machine("m", cpu=1000)
    one, two = scene.scheduler("one"), scene.scheduler("two")
    jobs = [cell.submit(command=["x"]).job_id for _ in range(2)]
    one.claim(limit=1)
    two.claim(limit=1)
    seen = scene.machine(machine).claim_sequence
    one.commit((jobs[0], machine, 1))
    assert two.commit((jobs[1], machine, 1, seen)).accepted.tolist() == [0]
    (row,) = cell.conflicts(by=("machine", "rival", "dimension", "scheduler"), since="1h")
    assert row.keys == {"machine": "m", "rival": "one", "dimension": "cpu", "scheduler": "two"}
    assert (row.claims, row.slots) == (1, 1)
    with pytest.raises(
        omega.SpecInvalid, match="by='host' is unknown; expected one or more of machine, rival"
    ):
        cell.conflicts(by=["host"])
    with pytest.raises(omega.SpecInvalid, match="since='lately' is no duration"):
        cell.conflicts(since="lately")


def test_events_come_from_the_call_on(cell: Cell) -> None:
    cell.submit(command=["x"])
    events = cell.events()
    handle = cell.submit(command=["x"])
    handle.hold()
    handle.cancel()
    found = list(islice(events, 3))
    assert [one.kind for one in found] == [
        omega.EventKind.JOB_SUBMITTED,
        omega.EventKind.JOB_CHANGED,
        omega.EventKind.JOB_ENDED,
    ]
    assert {one.job_id for one in found} == {handle.job_id}


def test_schedulers_are_told_what_to_do_by_name(cell: Cell, scene: Scene) -> None:
    scene.scheduler("batch-1")
    assert cell.hold_scheduler("batch-1").wanted is Wanted.HOLD
    assert cell.release_scheduler("batch-1").wanted is Wanted.RUN
    assert cell.drain_scheduler("batch-1").wanted is Wanted.DRAIN
    assert cell.set_policy("batch-1", "best_fit").policy == "best_fit"
    assert cell.set_policy("batch-1", "").policy == ""
    for wrong in ("nearest", "__main__:Mine"):
        with pytest.raises(omega.PolicyError, match=r"nearest|scheduler 'batch-1' is in the program itself"):
            cell.set_policy("batch-1", wrong)
    with pytest.raises(omega.NotFound, match="nobody"):
        cell.hold_scheduler("nobody")


def test_the_fleet_is_asked_for_by_kind(cell: Cell, scene: Scene) -> None:
    cell.scale_schedulers("batch", 3)
    assert scene.store.fleet() == {"batch": 3}
    for wrong in (-1, 1.5):
        with pytest.raises(omega.SpecInvalid, match="is no number of schedulers; expected 0 or more"):
            cell.scale_schedulers("batch", wrong)  # type: ignore[arg-type]  # what an untyped caller may write
