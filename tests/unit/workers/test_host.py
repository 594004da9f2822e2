"""What a host has, how it is shared out, and what tasks inherit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import Amounts
from omegacell.workers.environment import base_environment
from omegacell.workers.host import (
    GPUS,
    boot_id,
    host_capacity,
    host_gpus,
    machine_specs,
    process_exists,
    share,
    with_devices,
)


def test_the_capacity_is_what_this_process_may_use(tmp_path: Path) -> None:
    capacity = host_capacity(tmp_path, 3)
    assert 0 < capacity.cpu_milli <= len(os.sched_getaffinity(0)) * 1000
    assert 0 < capacity.memory_bytes <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert capacity.disk_bytes > 0
    assert capacity.gpu_milli == 3000


def test_equal_shares_never_add_up_to_more_than_there_is() -> None:
    third = Amounts(cpu_milli=2333, memory_bytes=3, disk_bytes=3)
    assert share(Amounts(cpu_milli=7000, memory_bytes=10, disk_bytes=11), 3) == (third, third, third)


def test_a_share_is_never_too_small_for_a_task_that_asks_for_nothing_special() -> None:
    assert {one.cpu_milli for one in share(Amounts(cpu_milli=2000), 4)} == {1000}


@pytest.mark.parametrize(
    ("devices", "machines", "dealt"), [(4, 2, [2, 2]), (3, 2, [2, 1]), (1, 3, [1, 0, 0]), (0, 2, [0, 0])]
)
def test_devices_are_dealt_out_whole(devices: int, machines: int, dealt: list[int]) -> None:
    shares = share(Amounts(gpu_milli=1000 * devices), machines)
    assert [one.gpu_milli for one in shares] == [1000 * count for count in dealt]


def test_no_machines_is_refused() -> None:
    with pytest.raises(SpecInvalid, match="0 machines"):
        share(Amounts(), 0)


def test_devices_are_the_files_of_the_driver(tmp_path: Path) -> None:
    assert host_gpus({}, tmp_path) == 0
    for name in ("nvidia0", "nvidia12", "nvidiactl", "nvidia-uvm", "nvidia0x", "null"):
        (tmp_path / name).touch()
    assert host_gpus({}, tmp_path) == 2


@pytest.mark.parametrize(
    ("visible", "count"), [("", 0), ("-1", 0), ("1", 1), ("0, 1", 2), ("GPU-5ebe9ea5", 1), ("0,1,2,3", 2)]
)
def test_devices_that_this_process_may_not_see_are_not_counted(
    tmp_path: Path, visible: str, count: int
) -> None:
    for name in ("nvidia0", "nvidia1"):
        (tmp_path / name).touch()
    assert host_gpus({"CUDA_VISIBLE_DEVICES": visible}, tmp_path) == count


def test_machines_are_named_after_their_worker() -> None:
    assert [spec.name for spec in machine_specs("w", [Amounts()], {})] == ["w"]
    assert [spec.name for spec in machine_specs("w", [Amounts()] * 2, {})] == ["w-0", "w-1"]


def test_no_two_machines_have_the_same_device() -> None:
    counts = (2, 0, 3)
    specs = with_devices(machine_specs("w", [Amounts(gpu_milli=1000 * count) for count in counts], {}))
    assert [spec.attributes.get(GPUS) for spec in specs] == ["0,1", None, "2,3,4"]


def test_what_a_machine_is_can_be_overridden_but_not_lost() -> None:
    attributes = machine_specs("w", [Amounts()], {"os": "mine", "zone": "a"})[0].attributes
    assert (attributes["os"], attributes["zone"]) == ("mine", "a")
    assert {"arch", "host", "python"} <= set(attributes)


def test_a_zombie_does_not_exist() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process_exists(child.pid)
    child.wait()
    assert not process_exists(child.pid)
    assert process_exists(os.getpid())


def test_the_boot_id_stays_the_same() -> None:
    assert boot_id() == boot_id() != ""


def test_variables_that_ray_sets_for_its_actors_stay_where_ray_did_not_set_them() -> None:
    assert base_environment({"OMP_NUM_THREADS": "2"}) == {"OMP_NUM_THREADS": "2"}
    assert base_environment({"OMP_NUM_THREADS": "2", "RAY_X": "1"}) == {}
