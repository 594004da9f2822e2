"""The rule in arrays rules as the rule claim by claim does."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.found import JobFound, MachineFound
from omegacell.cellstate.judge import Claim, judge
from omegacell.cellstate.judge_plain import judge_plain
from omegacell.cellstate.model import Amounts, CommitMode, Detection
from omegacell.cellstate.room import Room

WISHES = st.tuples(
    st.lists(
        st.tuples(
            st.integers(1, 3),  # slots
            st.booleans(),  # whether the machine was claimed since
            st.tuples(*(st.integers(0, 7) for _ in range(3))),  # free
        ),
        min_size=1,
        max_size=6,
    ),
    st.tuples(*(st.integers(0, 3) for _ in range(3))),
    st.sampled_from(Detection),
    st.sampled_from(CommitMode),
    st.integers(0, 2),
    st.integers(0, 3),
    st.integers(0, 4),
)


@given(WISHES)
def test_it_rules_as_claim_by_claim(drawn: Any) -> None:
    wishes, task, detection, commit, more_pending, placed, gang_min = drawn
    pending = sum(slots for slots, _, _ in wishes) + more_pending
    job = JobFound(
        amounts=Amounts(cpu_milli=task[0], memory_bytes=task[1], disk_bytes=task[2]),
        priority=100,
        detection=detection,
        commit=commit,
        gang_min=gang_min,
        task_count=pending + placed,
        placed=placed,
        pending=pending,
    )
    one_by_one = judge(
        token_valid=True,
        now=0.0,
        claims=[
            Claim(job_id=1, machine_id=at, slots=slots, claim_sequence=1)
            for at, (slots, _, _) in enumerate(wishes)
        ],
        jobs={1: job},
        machines={
            at: MachineFound(
                room=Room(free),
                claim_sequence=1 + late,
                up=True,
                schedulable=True,
                last_claim_txn=None,
                last_claim_scheduler=0,
            )
            for at, (_, late, free) in enumerate(wishes)
        },
        victims={},
    )
    amounts = np.array(task, dtype=np.int64)
    at_once = judge_plain(
        job,
        amounts=amounts,
        slots=np.array([slots for slots, _, _ in wishes], dtype=np.int64),
        seen=np.ones(len(wishes), dtype=np.int64),
        free=np.array([free for _, _, free in wishes], dtype=np.int64),
        claim_sequence=np.array([1 + late for _, late, _ in wishes], dtype=np.int64),
    )
    rulings = zip(at_once.accepted.tolist(), at_once.reason.tolist(), at_once.free.tolist(), strict=True)
    assert list(rulings) == [(ruling.accepted, ruling.reason, ruling.free) for ruling in one_by_one]
    assert (at_once.taken == at_once.accepted[:, None] * amounts).all()
    assert at_once.placed == sum(ruling.accepted for ruling in one_by_one)
