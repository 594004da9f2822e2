"""From a worker's command line to the machines it registers."""

from __future__ import annotations

from pathlib import Path

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import MachineSpec
from omegacell.cellstate.settings import Settings
from omegacell.workers.cli import options_of, parser
from omegacell.workers.memory import Isolation
from omegacell.workers.serve import machines_of


def machines(*words: str, host_gpus: int = 0) -> tuple[MachineSpec, ...]:
    arguments = parser().parse_args(["--dsn", "postgresql://h/d", "--name", "w", *words])
    return machines_of(options_of(arguments, Settings()), Path("/"), host_gpus, Isolation.RLIMIT)


def test_the_devices_of_the_host_are_dealt_out_where_nothing_is_said() -> None:
    found = machines("--machines", "2", host_gpus=3)
    assert [one.capacity.gpu_milli for one in found] == [2000, 1000]
    assert [one.attributes["gpus"] for one in found] == ["0,1", "2"]


def test_each_machine_has_the_devices_it_is_given() -> None:
    found = machines("--machines", "2", "--gpu", "1", host_gpus=8)
    assert [(one.capacity.gpu_milli, one.attributes["gpus"]) for one in found] == [(1000, "0"), (1000, "1")]
    (none,) = machines("--gpu", "0", host_gpus=8)
    assert (none.capacity.gpu_milli, "gpus" in none.attributes) == (0, False)


def test_a_machine_says_how_memory_is_enforced_there_and_nobody_else_can() -> None:
    assert machines("--attribute", "isolation=cgroup")[0].attributes["isolation"] == "rlimit"
    assert machines("--hollow", "1")[0].attributes["isolation"] == "none"


def test_each_machine_has_the_custom_resources_it_is_given() -> None:
    found = machines("--machines", "2", "--custom", "licence=2", "--custom", "bandwidth=0.5")
    assert {one.capacity.custom for one in found} == {(("bandwidth", 500), ("licence", 2000))}


def test_hollow_machines_have_devices_only_where_they_are_given() -> None:
    assert machines("--hollow", "1", host_gpus=4)[0].capacity.gpu_milli == 0
    hollow = machines("--hollow", "2", "--gpu", "4", "--custom", "licence=1")[1]
    assert "gpus" not in hollow.attributes  # thousands of them are on no host
    assert (hollow.capacity.gpu_milli, hollow.capacity.custom) == (4000, (("licence", 1000),))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--gpu", "0.5"), "--gpu='0.5' is a share of one GPU"),
        (("--gpu", "99"), "--gpu='99' is more than a machine can have"),
        (("--custom", "licence"), "--custom='licence' is no resource"),
        (("--custom", "licence=0"), r"--custom\['licence'\]='0' is too small"),
        (("--machines", "0"), "0 machines"),
    ],
)
def test_what_no_machine_can_have_is_refused(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(SpecInvalid, match=says):
        machines(*words)
