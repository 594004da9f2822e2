"""Where control groups are found, and what is written to them, in both versions; on files that stand in for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omegacell.workers.cgroups import AgentGroups, Place, place_of

V1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V2 = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = V1 + "42 31 0:39 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
CONTAINER = "41 31 0:38 /docker/abc /sys/fs/cgroup ro,relatime shared:3 - cgroup2 cgroup2 rw\n"


@pytest.mark.parametrize(
    ("membership", "mounts", "found"),
    [
        ("4:memory:/user/a\n0::/\n", HYBRID, ("/sys/fs/cgroup/memory/user/a", 1)),
        ("0::/system.slice/omega.service\n", V2, ("/sys/fs/cgroup/system.slice/omega.service", 2)),
        ("0::/docker/abc/inner\n", CONTAINER, ("/sys/fs/cgroup/inner", 2)),
    ],
)
def test_the_own_group_is_found_in_what_is_mounted(
    membership: str, mounts: str, found: tuple[str, int]
) -> None:
    assert place_of(membership, mounts) == Place(folder=Path(found[0]), version=found[1])


@pytest.mark.parametrize(
    ("membership", "mounts"),
    [("0::/../outside\n", V2), ("0::/elsewhere\n", CONTAINER), ("4:memory:/a\n", V2), ("", V2)],
)
def test_a_group_that_cannot_be_reached_is_no_place(membership: str, mounts: str) -> None:
    assert place_of(membership, mounts) is None


def written(path: Path, version: int) -> dict[str, str]:
    """What a group of 1 GiB has in its files; plain files do as the kernel's where the folders are made by hand."""
    group = AgentGroups(Place(folder=path, version=version)).new(2**30)
    return {file.name: file.read_text() for file in group.path.iterdir()}


def test_version_2_limits_memory_and_swap_and_kills_a_task_as_a_whole(tmp_path: Path) -> None:
    assert written(tmp_path, 2) == {
        "memory.max": str(2**30),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
    }
    (folder,) = tmp_path.iterdir()
    assert (folder / "cgroup.subtree_control").read_text() == "+memory"


def test_version_1_limits_memory_with_swap(tmp_path: Path) -> None:
    assert written(tmp_path, 1) == {
        "memory.limit_in_bytes": str(2**30),
        "memory.memsw.limit_in_bytes": str(2**30),
    }


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"),
        (2, "memory.events", "low 0\nhigh 0\nmax 12\noom 2\noom_kill {}\noom_group_kill 0\n"),
    ],
)
def test_a_kill_for_memory_is_found_in_the_events(tmp_path: Path, version: int, name: str, text: str) -> None:
    group = AgentGroups(Place(folder=tmp_path, version=version)).new(2**30)
    assert not group.out_of_memory()
    for count in (0, 1):
        (group.path / name).write_text(text.format(count))
        assert group.out_of_memory() is bool(count)


def test_two_agents_have_folders_of_their_own(tmp_path: Path) -> None:
    place = Place(folder=tmp_path, version=1)
    paths = {AgentGroups(place).new(1).path for _ in range(2)}
    assert len({path.parent for path in paths}) == 2
    assert all(path.parent.name.startswith(f"omegacell-{os.getpid()}-") for path in paths)
