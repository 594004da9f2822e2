"""The agent on a cell in memory: slots of several tasks, winners that wait for their victims, devices."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import cloudpickle

from omegacell.cellstate.model import Amounts, AttemptState, JobState, Outcome, TaskKind
from omegacell.workers.hollow import HollowRunner
from tests.unit.workers.cell import SmallCell
from tests.unit.workers.tasks import runs, text_of, until


def states_of(cell: SmallCell, job_id: int) -> list[tuple[int, int, AttemptState]]:
    """Index, attempt and state of every outcome."""
    return [(one.task_index, one.attempt, one.state) for one in cell.store.outcomes(job_id)]


def _hollow(seconds: float) -> Any:
    return lambda handler: HollowRunner(seconds, handler)


def seconds_of(outcome: Outcome) -> float:
    return outcome.ended_at - outcome.started_at


def test_slots_of_commands_end_task_by_task_and_give_everything_back(cell: SmallCell) -> None:
    cell.start_agent()
    inputs = tuple(b"item-%d" % n for n in range(10))
    status = cell.run("echo", "{item}", tasks=10, inputs=inputs, slot=4)
    assert (status.state, status.succeeded) == (JobState.SUCCEEDED, 10)
    assert [one.stdout_tail for one in cell.store.outcomes(status.job_id)] == [
        f"item-{n}\n" for n in range(10)
    ]
    assert cell.store.machines()[0].placements == 0


def test_slots_of_callables_give_every_result(cell: SmallCell) -> None:
    cell.start_agent()
    inputs = tuple(cloudpickle.dumps(((n,), {})) for n in range(50))
    status = cell.run(
        kind=TaskKind.FUNCTION, payload=cloudpickle.dumps(math.sqrt), inputs=inputs, tasks=50, slot=20
    )
    outcomes = cell.store.outcomes(status.job_id)
    assert [cloudpickle.loads(one.result)[1] for one in outcomes] == [math.sqrt(n) for n in range(50)]


def test_what_a_lasting_slot_has_not_begun_is_placed_elsewhere_and_runs_once(
    cell: SmallCell, tmp_path: Path
) -> None:
    first = cell.start_agent("first")
    second = cell.start_agent("second")
    gate = tmp_path / "gate"
    note = f"echo $OMEGA_TASK_INDEX >> {tmp_path}/ran"
    script = f"{note}; [ $OMEGA_TASK_INDEX != 1 ] || until [ -e {gate} ]; do sleep 0.02; done"
    job_id = cell.submit("/bin/sh", "-c", script, tasks=5)
    cell.place(job_id, first.machines[0].machine_id, tasks=5)
    until(lambda: cell.store.retries(job_id), "the slot is split")
    assert states_of(cell, job_id) == [(0, 1, AttemptState.SUCCEEDED)]
    (kept,) = cell.store.placements(job_id)
    assert (kept.first_index, kept.count, kept.attempt) == (1, 1, 1)
    cell.place(job_id, second.machines[0].machine_id, tasks=5)
    until(lambda: cell.store.job(job_id).succeeded == 4, "the others ran on the other machine")
    gate.touch()
    assert cell.end_of(job_id).succeeded == 5
    assert states_of(cell, job_id) == [
        (0, 1, AttemptState.SUCCEEDED),
        (1, 1, AttemptState.SUCCEEDED),
        *((index, 2, AttemptState.SUCCEEDED) for index in (2, 3, 4)),
    ]
    assert sorted(text_of(tmp_path / "ran").split()) == ["0", "1", "2", "3", "4"]


def test_a_cancelled_slot_keeps_what_ended_and_runs_nothing_more(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    script = f"[ $OMEGA_TASK_INDEX != 2 ] || {{ echo $$ > {tmp_path}/pid; sleep 60; }}"
    job_id = cell.submit("/bin/sh", "-c", script, tasks=6)
    cell.place(job_id, tasks=6)
    until(lambda: text_of(tmp_path / "pid").endswith("\n"), "the third task runs")
    cell.store.cancel(job_id)
    cell.hint.announce()
    status = cell.end_of(job_id)
    assert (status.state, status.succeeded, status.cancelled) == (JobState.CANCELLED, 2, 4)
    assert not runs(int(text_of(tmp_path / "pid")))


def test_a_drained_slot_uses_a_loss_for_the_running_task_alone(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    script = f"[ $OMEGA_TASK_INDEX != 1 ] || {{ touch {tmp_path}/reached; sleep 60; }}"
    job_id = cell.submit("/bin/sh", "-c", script, tasks=4)
    cell.place(job_id, tasks=4)
    until((tmp_path / "reached").exists, "the second task runs")
    cell.store.drain("w-0")
    cell.hint.announce()
    until(lambda: not cell.store.placements(job_id), "the machine is empty")
    assert states_of(cell, job_id) == [(0, 1, AttemptState.SUCCEEDED), (1, 1, AttemptState.PREEMPTED)]
    waiting = [(one.first_index, one.count, one.attempt, one.lost) for one in cell.store.retries(job_id)]
    assert waiting == [(1, 1, 2, 1), (2, 2, 2, 0)]


def test_an_agent_that_stops_reports_what_its_slots_had_ended(cell: SmallCell, tmp_path: Path) -> None:
    agent = cell.start_agent()
    script = f"[ $OMEGA_TASK_INDEX != 1 ] || {{ touch {tmp_path}/reached; sleep 60; }}"
    job_id = cell.submit("/bin/sh", "-c", script, tasks=4)
    cell.place(job_id, tasks=4)
    until((tmp_path / "reached").exists, "the second task runs")
    agent.stop()
    until(lambda: not cell.store.machines()[0].up, "the machine is given back")
    assert states_of(cell, job_id) == [(0, 1, AttemptState.SUCCEEDED), (1, 1, AttemptState.LOST)]


def test_hollow_slots_end_at_one_time_with_each_tasks_own_duration(cell: SmallCell) -> None:
    cell.start_agent(make_runner=_hollow(math.inf))
    status = cell.run("never-run", tasks=20, slot=10, expected_duration_seconds=0.01)
    outcomes = cell.store.outcomes(status.job_id)
    assert len(outcomes) == 20
    assert all(round(seconds_of(one), 3) == 0.01 for one in outcomes)
    assert all(one.ended_at == two.started_at for one, two in itertools.pairwise(outcomes[:10]))


def test_hollow_slots_without_duration_end_at_once(cell: SmallCell) -> None:
    cell.start_agent(make_runner=_hollow(0.0))
    assert cell.run("never-run", tasks=1000, slot=100).succeeded == 1000


def test_a_hollow_slot_that_lasts_is_split(cell: SmallCell) -> None:
    cell.start_agent(make_runner=_hollow(math.inf))
    job_id = cell.submit("never-run", tasks=10, expected_duration_seconds=0.15)
    cell.place(job_id, tasks=10)
    until(lambda: not cell.store.placements(job_id), "the task that was kept has ended")
    outcomes = cell.store.outcomes(job_id)
    assert {one.state for one in outcomes} == {AttemptState.SUCCEEDED}
    assert 1 <= len(outcomes) < 10
    assert sum(one.count for one in cell.store.retries(job_id)) == 10 - len(outcomes)


def test_a_hollow_slot_that_never_ends_is_split_and_stopped(cell: SmallCell) -> None:
    cell.start_agent(make_runner=_hollow(math.inf))
    job_id = cell.submit("never-run", tasks=3)
    cell.place(job_id, tasks=3)
    until(lambda: cell.store.retries(job_id), "the slot is split")
    cell.store.cancel(job_id)
    cell.hint.announce()
    assert cell.end_of(job_id).cancelled == 3
    assert states_of(cell, job_id)[0] == (0, 1, AttemptState.CANCELLED)


def test_a_winner_starts_when_its_victim_has_stopped_and_not_before(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    order = tmp_path / "order"
    polite = (
        f"trap 'sleep 0.1; echo victim >> {order}; exit 0' TERM; echo $$ > {tmp_path}/pid; sleep 60 & wait"
    )
    whole = Amounts(cpu_milli=100_000)
    loser = cell.submit("/bin/sh", "-c", polite, amounts=whole, priority=10)
    cell.place(loser)
    until(lambda: text_of(tmp_path / "pid").endswith("\n"), "the victim runs")
    winner = cell.submit("/bin/sh", "-c", f"echo winner >> {order}", amounts=whole, priority=500)
    cell.place(winner, victims=cell.store.placements(loser))
    assert cell.end_of(winner).state is JobState.SUCCEEDED
    assert text_of(order) == "victim\nwinner\n"
    assert cell.outcome(loser).state is AttemptState.PREEMPTED
    cell.store.cancel(loser)


def test_a_winner_that_is_cancelled_while_it_waits_never_runs(cell: SmallCell, tmp_path: Path) -> None:
    cell.start_agent()
    stubborn = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done"
    whole = Amounts(cpu_milli=100_000)
    loser = cell.submit("/bin/sh", "-c", stubborn, amounts=whole, priority=10)
    cell.place(loser)
    until(lambda: text_of(tmp_path / "pid").endswith("\n"), "the victim runs")
    winner = cell.submit("touch", f"{tmp_path}/ran", amounts=whole, priority=500)
    cell.place(winner, victims=cell.store.placements(loser))
    cell.store.cancel(winner)
    cell.hint.announce()
    assert cell.end_of(winner).state is JobState.CANCELLED
    until(lambda: not cell.store.placements(loser), "the victim has stopped")
    assert not (tmp_path / "ran").exists()
    cell.store.cancel(loser)


def test_a_task_is_told_its_devices(cell: SmallCell) -> None:
    cell.start_agent()
    script = "echo ${OMEGA_DEVICES-none} ${CUDA_VISIBLE_DEVICES-none}"
    whole = cell.run("/bin/sh", "-c", script, amounts=Amounts(gpu_milli=2000))
    none = cell.run("/bin/sh", "-c", "echo ${OMEGA_DEVICES-none}")
    assert cell.outcome(whole.job_id).stdout_tail == "0,1 0,1\n"
    assert cell.outcome(none.job_id).stdout_tail == "none\n"
