"""A cell for the tests of programs that use one: a pytest plugin, there wherever omegacell is installed.

    def test_squares(omega_cell):
        assert omega_cell.map(lambda x: x * x, range(4)).results() == [0, 1, 4, 9]

- `omega_cell`: a connection to the session's cell, which is empty when the test begins: what an earlier one left
  running is cancelled and forgotten, its drains, holds and policies are undone. While the test runs OMEGA_DSN names the
  cell, for `omegacell.connect()` and for programs that the test starts.
- `omega_session_cell`: the cell itself, started once a session (with pytest-xdist: in each of its processes): a
  PostgreSQL of its own without durability, schedulers and a worker as plain processes, no Ray. OMEGA_DSN is not looked
  at: tests never reach a cell that somebody works with.
- `omega_cell_options`: what it is started with, arguments of `omegacell.local`; to be overridden in conftest.py:

    @pytest.fixture(scope="session")
    def omega_cell_options():
        return {"machines": 4, "schedulers": {"batch": 2}, "machine": omegacell.Resources(cpu=2, gpu=1)}

Loaded by its entry point (the name is the module's, so that `pytest_plugins = ["omegacell.testing"]` means the same);
`-p no:omegacell.testing` leaves it out. It imports the rest of omegacell when a test first asks for a cell.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from omegacell.client.cell import Cell

_ENDED_SECONDS = 60.0
"""A task is given some seconds between SIGTERM and SIGKILL; a minute means that something is wrong."""
_LOOK_SECONDS = 0.01
_ALL_JOBS = 1_000_000
_LIVE = ("blocked", "pending", "running")


@pytest.fixture(scope="session")
def omega_cell_options() -> Mapping[str, Any]:
    """Override it: `machines`, `schedulers` and `machine` as in omegacell.local."""
    return {}


@pytest.fixture(scope="session")
def omega_session_cell(omega_cell_options: Mapping[str, Any]) -> Iterator[Cell]:
    """The session's cell; tests rather take omega_cell, which is empty."""
    from omegacell.local_cell.launch import volatile

    with volatile(**omega_cell_options) as cell:
        yield cell


@pytest.fixture
def omega_cell(omega_session_cell: Cell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cell]:
    """A connection of the test's own to a cell that is empty and whole."""
    import omegacell

    monkeypatch.setenv("OMEGA_DSN", omega_session_cell.dsn)
    fleet = omega_session_cell.store.fleet()
    with omegacell.connect(omega_session_cell.dsn) as cell:
        yield cell
    empty(omega_session_cell, fleet)


def empty(cell: Cell, fleet: Mapping[str, int]) -> None:
    """Cancel and forget all jobs, and take back what was done to machines and schedulers, of which `fleet` is to be.

    TimeoutError if that takes too long: a task that cannot be killed, or nobody there to end it.
    """
    _mend(cell, fleet)
    deadline = time.monotonic() + _ENDED_SECONDS
    for job in cell.jobs(state=_LIVE, limit=_ALL_JOBS):
        cell.cancel(job.job_id)
    while left := cell.jobs(limit=1):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"job j{left[0].job_id} of a test is {left[0].state} {_ENDED_SECONDS:.0f} s after its cancellation; "
                "look for a task that cannot be killed"
            )
        if cell.jobs(state=_LIVE, limit=1):
            time.sleep(_LOOK_SECONDS)
        else:
            cell.purge(older_than=0)


def _mend(cell: Cell, fleet: Mapping[str, int]) -> None:
    from omegacell.cellstate.model import Wanted

    for machine in cell.machines():
        if not machine.schedulable:
            cell.uncordon(machine.name)
    for scheduler in cell.schedulers():
        if scheduler.wanted is not Wanted.RUN:
            cell.release_scheduler(scheduler.name)
        if scheduler.policy:
            cell.set_policy(scheduler.name, "")
    for kind in {*fleet, *cell.store.fleet()}:
        cell.scale_schedulers(kind, fleet.get(kind, 0))
