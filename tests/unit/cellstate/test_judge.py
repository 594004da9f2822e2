"""What holds for every transaction, whatever it claims; the single rules are in tests/contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from omegacell.cellstate.found import JobFound, MachineFound, PlacementKey, VictimFound
from omegacell.cellstate.judge import Claim, Ruling, judge, tasks_per_slot
from omegacell.cellstate.model import Amounts, CommitMode, Detection, Reason
from omegacell.cellstate.room import Room, device_indexes

NOW = 50.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A transaction and what it finds."""

    claims: tuple[Claim, ...]
    jobs: dict[int, JobFound]
    machines: dict[int, MachineFound]
    victims: dict[PlacementKey, VictimFound]

    def rulings(self) -> list[tuple[Claim, Ruling]]:
        """Each claim with its ruling, the token being valid."""
        return list(zip(self.claims, self.judged(token_valid=True), strict=True))

    def judged(self, *, token_valid: bool) -> tuple[Ruling, ...]:
        """The rulings alone."""
        return judge(
            token_valid=token_valid,
            now=NOW,
            claims=self.claims,
            jobs=self.jobs,
            machines=self.machines,
            victims=self.victims,
        )


def machine_of(random: Random) -> MachineFound:
    """A machine with little room, which may be closed for one reason or another."""
    free = [random.choice((0, 1, 1, 5)) for _ in range(3)]
    devices = [random.choice((0, 300, 700, 1000, 1000)) for _ in range(random.randrange(4))]
    custom = {name: random.randrange(4) for name in ("disk-arm", "licence")}
    return MachineFound(
        room=Room(free, devices=devices, custom=custom),
        claim_sequence=random.randint(1, 2),
        up=random.random() < 0.9,
        schedulable=random.random() < 0.9,
        last_claim_txn=None,
        last_claim_scheduler=0,
        reserved_job=random.choice((0, 0, 0, 0, 1, 9)),
        reserved_priority=random.randint(1, 3),
        reserved_until=random.choice((NOW, NOW + 1)),
    )


def victims_of(random: Random, machines: dict[int, MachineFound]) -> dict[PlacementKey, VictimFound]:
    """Some placements of the first machines; those with a device hold one of which nothing is free."""
    victims: dict[PlacementKey, VictimFound] = {}
    for machine_id in (1, 2):
        taken_up = [index for index, free in enumerate(machines[machine_id].room.devices) if not free]
        for first_index in range(random.randint(1, 4)):
            devices = 1 << taken_up.pop() if taken_up and random.random() < 0.5 else 0
            victims[10 + machine_id, first_index, 1] = VictimFound(
                machine_id=machine_id,
                amounts=Amounts(
                    cpu_milli=random.randint(1, 3), memory_bytes=1, gpu_milli=1000 if devices else 0
                ),
                devices=devices,
                priority=random.choice((1, 1, 1, 1, 2)),
                preemptible=random.random() < 0.95,
                taken=random.random() < 0.05,
            )
    return victims


def job_of(random: Random) -> JobFound:
    """A job of any kind that asks for little."""
    return JobFound(
        amounts=Amounts(
            cpu_milli=random.randint(1, 2),
            memory_bytes=random.choice((0, 0, 1)),
            gpu_milli=random.choice((0, 0, 0, 0, 400, 1000, 2000)),
            custom=random.choice(((), (), (("licence", 1),), (("disk-arm", 1), ("licence", 2)))),
        ),
        priority=random.choice((1, 2, 3, 3)),
        detection=random.choice((Detection.FINE, Detection.FINE, Detection.COARSE)),
        commit=random.choice(list(CommitMode)),
        gang_min=random.randrange(4),
        task_count=random.randint(1, 6),
        placed=random.randrange(4),
        pending=random.choice((0, 2, 5, 9)),
        max_running=random.choice((0, 0, 9)),
        alternatives=tuple(random.choices(range(1, 5), k=random.choice((0, 0, 1, 3)))),
    )


def claim_of(random: Random, job_id: int, job: JobFound | None, victims: Collection[PlacementKey]) -> Claim:
    """A claim of the job: of several slots, or of one with more wishes, as check_transaction asks for."""
    machine_id = random.randint(1, 4)
    several = random.random() < 0.4 and not (job and job.alternatives)
    there = [key for key in victims if key[0] == 10 + machine_id or random.random() < 0.03]
    named = [
        *random.sample(there, random.randint(0, len(there))),
        *([(9, 9, 9)] if random.random() < 0.1 else []),
    ]
    return Claim(
        job_id=job_id,
        machine_id=machine_id,
        slots=random.randint(1, 4) if several else 1,
        claim_sequence=random.randint(1, 2),
        tasks=random.choice((1, 1, 3)),
        devices=0 if several else random.choice((0, 0, 0, 0, 1, 2, 5)),
        victims=() if several else tuple(named),
    )


def case_of(seed: int) -> Case:
    """A transaction of three jobs and one unknown, on three machines and one unknown."""
    random = Random(seed)
    machines = {machine_id: machine_of(random) for machine_id in range(1, 4)}
    victims = victims_of(random, machines)
    jobs = {job_id: job_of(random) for job_id in range(1, 4)}
    claims = [
        claim_of(random, job_id, jobs.get(job_id), victims)
        for job_id in random.sample(range(1, 5), 4)
        for _ in range(random.randrange(5))
    ]
    return Case(claims=tuple(claims), jobs=jobs, machines=machines, victims=victims)


# From a seed, and not value by value: that is ten times as fast, and most of what it makes has something to judge.
cases = st.integers(0, 2**32).map(case_of)


@given(cases)
def test_no_machine_is_ever_overfilled(case: Case) -> None:
    rooms = {machine_id: found.room.copy() for machine_id, found in case.machines.items()}
    for claim, ruling in case.rulings():
        amounts = case.jobs[claim.job_id].amounts if ruling.accepted else Amounts()
        for key in ruling.victims:
            given_up = case.victims[key]
            rooms[given_up.machine_id].give(given_up.amounts, devices=given_up.devices)
        for devices in ruling.devices or (0,) * ruling.accepted:
            rooms[ruling.machine_id].take(amounts, devices=devices)
    for found in rooms.values():
        assert min(*found.amounts, *found.devices, *found.custom.values()) >= 0


@given(cases)
def test_no_job_gets_more_slots_than_it_has_tasks_for(case: Case) -> None:
    left = {job_id: found.pending for job_id, found in case.jobs.items()}
    for claim, ruling in case.rulings():
        for _ in range(ruling.accepted):
            assert left[claim.job_id] > 0
            left[claim.job_id] -= tasks_per_slot(case.jobs[claim.job_id], claim)


@given(cases)
def test_slots_hold_one_task_where_it_matters_how_many_run(case: Case) -> None:
    for claim, _ in case.rulings():
        job = case.jobs.get(claim.job_id)
        if job is not None:
            one_each = job.commit is CommitMode.GANG or job.max_running > 0
            assert tasks_per_slot(job, claim) == (1 if one_each else claim.tasks)


@given(cases)
def test_every_slot_is_on_as_many_devices_as_its_task_wants(case: Case) -> None:
    for claim, ruling in case.rulings():
        wanted = case.jobs[claim.job_id].amounts.gpu_milli if ruling.accepted else 0
        count = 1 if 0 < wanted < 1000 else wanted // 1000
        assert len(ruling.devices) == (ruling.accepted if wanted else 0)
        assert all(len(device_indexes(devices)) == count for devices in ruling.devices)
        alternatives = case.jobs[claim.job_id].alternatives if ruling.accepted else ()
        if claim.devices and ruling.accepted and ruling.machine_id not in alternatives:
            assert ruling.devices == (claim.devices,)


@given(cases)
def test_a_reason_is_given_exactly_where_something_was_refused(case: Case) -> None:
    for claim, ruling in case.rulings():
        assert 0 <= ruling.accepted <= claim.slots
        assert (ruling.reason is Reason.ACCEPTED) == (ruling.accepted == claim.slots)
        if ruling.reason is Reason.ACCEPTED:
            assert (ruling.free, ruling.rival_txn, ruling.rival_scheduler) == (0, None, 0)


@given(cases)
def test_only_lower_and_willing_victims_are_taken_where_they_are_and_once(case: Case) -> None:
    taken: Counter[PlacementKey] = Counter()
    for claim, ruling in case.rulings():
        taken.update(ruling.victims)
        for key in ruling.victims:
            found = case.victims[key]
            assert key in claim.victims
            assert (ruling.accepted, ruling.machine_id) == (1, found.machine_id)
            assert found.preemptible
            assert not found.taken
            assert found.priority < case.jobs[claim.job_id].priority
    assert all(times == 1 for times in taken.values())


@given(cases)
def test_a_claim_is_kept_on_its_own_machine_or_on_an_alternative_of_its_job(case: Case) -> None:
    for claim, ruling in case.rulings():
        if ruling.accepted:
            assert ruling.machine_id in (claim.machine_id, *case.jobs[claim.job_id].alternatives)
        else:
            assert ruling.machine_id == claim.machine_id


@given(cases)
def test_groups_are_kept_whole(case: Case) -> None:
    rulings = case.rulings()
    for job_id, found in case.jobs.items():
        mine = [(claim, ruling) for claim, ruling in rulings if claim.job_id == job_id]
        accepted = sum(ruling.accepted for _, ruling in mine)
        if found.commit is CommitMode.ALL_OR_NOTHING:
            assert accepted in (0, sum(claim.slots for claim, _ in mine))
        if found.commit is CommitMode.GANG and accepted:
            assert found.placed + accepted >= (found.gang_min or found.task_count)


@given(cases)
def test_what_was_refused_changes_nothing_for_the_others(case: Case) -> None:
    rulings = case.rulings()
    kept = [(claim, ruling) for claim, ruling in rulings if ruling.accepted == claim.slots]
    if not any(0 < ruling.accepted < claim.slots for claim, ruling in rulings):
        assert replace(case, claims=tuple(claim for claim, _ in kept)).rulings() == kept


@given(cases)
def test_what_is_found_is_left_as_it_was(case: Case) -> None:
    before = [
        (found.room.amounts[:], found.room.devices[:], dict(found.room.custom))
        for found in case.machines.values()
    ]
    case.rulings()
    rooms = [found.room for found in case.machines.values()]
    assert [(found.amounts, found.devices, found.custom) for found in rooms] == before


@given(cases)
def test_a_lost_token_refuses_everything(case: Case) -> None:
    assert [
        (ruling.accepted, ruling.reason, ruling.machine_id) for ruling in case.judged(token_valid=False)
    ] == [(0, Reason.TOKEN_LOST, claim.machine_id) for claim in case.claims]
