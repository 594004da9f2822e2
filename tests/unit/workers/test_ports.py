"""Ports of tasks: how they are had and told, and that no two tasks get the same."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from omegacell.cellstate.model import AttemptState, Stop
from omegacell.workers.logs import log_paths
from omegacell.workers.ports import Ports, PortTaken, port_variables
from tests.unit.workers.tasks import Bench, call, shell, text_of, until
from tests.unit.workers.test_callables import value_of


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("", 0)) as server:
        yield server.getsockname()[1]


def test_the_variable_of_a_port_is_its_name_in_capitals() -> None:
    assert port_variables([("http", 80), ("my-admin.v2", 81)]) == {
        "OMEGA_PORT_HTTP": "80",
        "OMEGA_PORT_MY_ADMIN_V2": "81",
    }


def test_no_two_tasks_get_the_same_port() -> None:
    ports = Ports()
    taken = [ports.take([("a", 0), ("b", 0)], "m") for _ in range(50)]
    assert len({number for both in taken for _, number in both}) == 100


def test_a_port_can_be_had_again_once_it_was_given_back() -> None:
    ports = Ports()
    ((_, number),) = ports.take([("a", 0)], "m")
    with pytest.raises(PortTaken, match=f"port {number} \\(b\\) is taken on the host of machine m"):
        ports.take([("b", number)], "m")
    ports.give_back([("a", number)])
    assert ports.take([("b", number)], "m") == (("b", number),)


def test_where_one_port_cannot_be_had_none_is_held(listening: int) -> None:
    ports = Ports()
    ((_, free),) = ports.take([("a", 0)], "m")
    ports.give_back([("a", free)])
    with pytest.raises(PortTaken, match="Address already in use"):
        ports.take([("a", free), ("b", listening)], "m")
    assert ports.take([("a", free)], "m") == (("a", free),)


def test_a_command_finds_its_ports_and_they_are_told_at_once(bench: Bench) -> None:
    made = shell("echo $OMEGA_PORT_HTTP $OMEGA_PORT_MY_ADMIN; sleep 60", ports={"http": 0, "my-admin": 0})
    bench.runner.start([made])
    told = bench.next_running()
    stdout = log_paths(bench.settings.log_directory, made.key.job_id, 0, 1).stdout
    until(lambda: text_of(Path(stdout)), "it has said what it found")
    (end,) = bench.stop(made, Stop.CANCEL).ended
    assert told.key == made.key
    assert [name for name, _ in told.ports] == ["http", "my-admin"]
    assert end.stdout_tail == " ".join(str(number) for _, number in told.ports) + "\n"


def test_a_fixed_port_that_is_taken_fails_the_start(bench: Bench, listening: int) -> None:
    end = bench.run(shell("true", ports={"http": listening}))
    assert end.state is AttemptState.START_FAILED
    assert end.error == (
        f"port {listening} (http) cannot be had on the host of machine m0: Address already in use; "
        "free it, or ask for any port (null)"
    )


def test_the_port_of_a_task_that_ended_is_free_for_the_next(bench: Bench) -> None:
    ((_, number),) = Ports().take([("a", 0)], "m")
    for _ in range(2):
        assert bench.run(shell("echo $OMEGA_PORT_A", ports={"a": number})).stdout_tail == f"{number}\n"


def test_a_callable_finds_its_ports_and_no_other_job_does(bench: Bench) -> None:
    def look() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith("OMEGA_PORT_")}

    with_port = value_of(bench.run(call(look, ports={"http": 0})))
    assert with_port == port_variables(bench.next_running().ports)
    assert value_of(bench.run(call(look))) == {}
