"""What holds for every transaction, whatever it claims; the single rules are in tests/contract."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.judge import Claim, JobFound, MachineFound, Ruling, judge
from omegacell.cellstate.model import CommitMode, Detection, Reason

small = st.integers(0, 6)
amounts = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
machine = st.builds(
    lambda free, used, **fields: MachineFound(
        capacity=tuple(map(sum, zip(free, used, strict=True))), used=used, **fields
    ),
    free=st.tuples(small, small, small),
    used=st.tuples(small, small, small),
    claim_sequence=st.integers(1, 2),
    up=st.sampled_from((True, True, True, False)),
    schedulable=st.sampled_from((True, True, True, False)),
    last_claim_txn=st.none(),
    last_claim_scheduler=st.just(0),
)
job = st.builds(
    JobFound,
    amounts=amounts,
    detection=st.sampled_from(Detection),
    commit=st.sampled_from(CommitMode),
    gang_min=st.integers(0, 4),
    task_count=st.integers(1, 8),
    placed=st.integers(0, 3),
    pending=small,
)
claim = st.builds(
    Claim,
    job_id=st.integers(1, 4),
    machine_id=st.integers(1, 4),
    slots=st.integers(1, 5),
    claim_sequence=st.integers(1, 2),
)
claims_by_job = st.lists(claim, max_size=10).map(lambda claims: sorted(claims, key=lambda one: one.job_id))
jobs = st.dictionaries(st.integers(1, 3), job, min_size=2)
machines = st.dictionaries(st.integers(1, 3), machine, min_size=2)


def ruled(
    claims: list[Claim], jobs: dict[int, JobFound], machines: dict[int, MachineFound]
) -> list[tuple[Claim, Ruling]]:
    """Each claim with its ruling, the token being valid."""
    return list(
        zip(claims, judge(token_valid=True, claims=claims, jobs=jobs, machines=machines), strict=True)
    )


@given(claims_by_job, jobs, machines)
def test_no_machine_is_ever_overfilled(
    claims: list[Claim], jobs: dict[int, JobFound], machines: dict[int, MachineFound]
) -> None:
    used = {machine_id: list(found.used) for machine_id, found in machines.items()}
    for claim, ruling in ruled(claims, jobs, machines):
        if ruling.accepted:
            for index, amount in enumerate(jobs[claim.job_id].amounts):
                used[claim.machine_id][index] += amount * ruling.accepted
    for machine_id, found in machines.items():
        assert all(a <= b for a, b in zip(used[machine_id], found.capacity, strict=True))


@given(claims_by_job, jobs, machines)
def test_no_job_gets_more_than_it_has_pending(
    claims: list[Claim], jobs: dict[int, JobFound], machines: dict[int, MachineFound]
) -> None:
    accepted: Counter[int] = Counter()
    for claim, ruling in ruled(claims, jobs, machines):
        accepted[claim.job_id] += ruling.accepted
    assert all(jobs[job_id].pending >= slots for job_id, slots in accepted.items() if slots)


@given(claims_by_job, jobs, machines)
def test_a_reason_is_given_exactly_where_something_was_refused(
    claims: list[Claim], jobs: dict[int, JobFound], machines: dict[int, MachineFound]
) -> None:
    for claim, ruling in ruled(claims, jobs, machines):
        assert 0 <= ruling.accepted <= claim.slots
        assert (ruling.reason is Reason.ACCEPTED) == (ruling.accepted == claim.slots)


@given(claims_by_job, jobs, machines)
def test_groups_are_kept_whole(
    claims: list[Claim], jobs: dict[int, JobFound], machines: dict[int, MachineFound]
) -> None:
    rulings = ruled(claims, jobs, machines)
    for job_id, found in jobs.items():
        mine = [(claim, ruling) for claim, ruling in rulings if claim.job_id == job_id]
        accepted = sum(ruling.accepted for _, ruling in mine)
        if found.commit is CommitMode.ALL_OR_NOTHING:
            assert accepted in (0, sum(claim.slots for claim, _ in mine))
        if found.commit is CommitMode.GANG and accepted:
            assert found.placed + accepted >= (found.gang_min or found.task_count)


@given(claims_by_job, jobs, machines)
def test_what_was_refused_changes_nothing_for_the_others(
    claims: list[Claim], jobs: dict[int, JobFound], machines: dict[int, MachineFound]
) -> None:
    rulings = ruled(claims, jobs, machines)
    kept = [claim for claim, ruling in rulings if ruling.accepted == claim.slots]
    again = ruled(kept, jobs, machines)
    partly = {claim.job_id for claim, ruling in rulings if 0 < ruling.accepted < claim.slots}
    if not partly:
        assert [ruling.accepted for _, ruling in again] == [claim.slots for claim in kept]


@given(claims_by_job, jobs, machines)
def test_a_lost_token_refuses_everything(
    claims: list[Claim], jobs: dict[int, JobFound], machines: dict[int, MachineFound]
) -> None:
    rulings = judge(token_valid=False, claims=claims, jobs=jobs, machines=machines)
    assert [(ruling.accepted, ruling.reason) for ruling in rulings] == [(0, Reason.TOKEN_LOST)] * len(claims)
