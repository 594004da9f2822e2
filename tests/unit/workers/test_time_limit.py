"""A worker whose time is known to end: no new work a while before, and all is over at the limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from omegacell.cellstate.model import JobState
from omegacell.workers.time_limit import Stages, TimeLimit, stages_of
from tests.unit.workers.cell import SmallCell
from tests.unit.workers.tasks import until


@pytest.mark.parametrize(
    ("limit", "drain_at", "stop_at"),
    [(7200.0, 6890.0, 7190.0), (600.0, 530.0, 590.0), (12.0, 4.8, 6.0), (0.0, 0.0, 0.0)],
)
def test_a_tenth_of_the_time_is_left_to_what_runs_and_some_seconds_to_the_end(
    limit: float, drain_at: float, stop_at: float
) -> None:
    stages = stages_of(limit, grace_seconds=5.0)
    assert stages.drain_at == pytest.approx(drain_at)
    assert stages.stop_at == pytest.approx(stop_at)


def test_machines_are_cordoned_before_the_end_and_as_they_were_after_it(
    cell: SmallCell, tmp_path: Path
) -> None:
    agent = cell.start_agent(machines=2)
    cell.store.drain("w-1")
    job_id = cell.submit("sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done")
    cell.place(job_id)
    with TimeLimit(agent, Stages(drain_at=0.0, stop_at=600.0)):
        until(lambda: not cell.store.machines()[0].schedulable, "nothing new is placed")
        (tmp_path / "go").touch()
        assert cell.end_of(job_id).state is JobState.SUCCEEDED
    agent.stop()
    cell.agents[0][1].join()
    assert [(one.schedulable, one.up) for one in cell.store.machines()] == [(True, False), (False, False)]


def test_the_agent_is_stopped_at_the_end_of_its_time(cell: SmallCell) -> None:
    agent = cell.start_agent()
    with TimeLimit(agent, Stages(drain_at=0.0, stop_at=0.05)):
        cell.agents[0][1].join()
    assert not cell.store.machines()[0].up
