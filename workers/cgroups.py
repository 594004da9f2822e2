"""Control groups that hold what a task may use of memory, where the kernel lets this process make some.

Under the agent's own group (so that whatever limits the agent limits its tasks too) lies one folder of this
agent, and in it one group for each process that is confined. The folder is locked (flock) while its agent lives: a
lock that can be had is the folder of a dead one. Made when first needed, removed by the agent, else by its
guard, else by the next agent here.

Version 2 lets no group have both processes and limited children: an agent that is alone in its group moves
into a child of it first; one that shares its group with others (a login session) can have no groups.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import logging
import os
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

log = logging.getLogger(__name__)

_PREFIX = "omegacell-"
_AGENT = "omegacell.agent"
"""Where an agent itself moves to under version 2."""

_PROBE_BYTES = 2**30
_LIMITS = {
    1: (("memory.limit_in_bytes", "{bytes}"), ("memory.memsw.limit_in_bytes", "{bytes}")),
    2: (("memory.max", "{bytes}"), ("memory.swap.max", "0"), ("memory.oom.group", "1")),
}
"""The first must be there; the others, which keep it from swapping instead, are not on every kernel."""
_EVENTS = {1: "memory.oom_control", 2: "memory.events"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A group in which this process may make others, of this version of the interface."""

    folder: Path
    version: int


class Group:
    """One group with a limit. Its processes join it themselves, before they become the task."""

    def __init__(self, path: Path, version: int, memory_bytes: int) -> None:
        self.path = path
        self.memory_bytes = memory_bytes
        self._version = version
        path.mkdir()
        try:
            self._limit()
        except OSError:
            path.rmdir()
            raise

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process in it for its memory."""
        with contextlib.suppress(OSError, ValueError):
            for line in (self.path / _EVENTS[self._version]).read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count) > 0
        return False

    def remove(self) -> bool:
        """Kill what is in it and remove it; False while something has not ended yet."""
        return _emptied(self.path)

    def _limit(self) -> None:
        first, *others = _LIMITS[self._version]
        (self.path / first[0]).write_text(first[1].format(bytes=self.memory_bytes))
        for name, value in others:
            with contextlib.suppress(OSError):
                (self.path / name).write_text(value.format(bytes=self.memory_bytes))


class AgentGroups:
    """The groups of one agent, in a folder that is made with the first of them. For one thread.

    `count` is how many there have been.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._folder: Path | None = None
        self._lock = -1
        self.count = 0
        remove_leftovers(place)

    def new(self, memory_bytes: int) -> Group:
        """A group with this limit; OSError where there can be none."""
        if self._folder is None:
            self._folder, self._lock = _own_folder(self._place)
        self.count += 1
        return Group(self._folder / str(self.count), self._place.version, memory_bytes)

    def close(self) -> None:
        """Remove the folder with whatever is still in it."""
        if self._folder is not None and not _removed(self._folder):
            log.warning("control group %s is not empty and stays until the next agent's start", self._folder)
        if self._lock >= 0:
            os.close(self._lock)
        self._folder, self._lock = None, -1


def remove_leftovers(place: Place) -> None:
    """Remove the folders of agents that are dead, and kill what is still in them."""
    for folder in sorted(place.folder.glob(_PREFIX + "*")):
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _removed(folder)
            finally:
                os.close(lock)


@functools.cache
def usable_place() -> Place | None:
    """Where groups that limit memory can be made; None where they cannot. Found out by making one."""
    try:
        membership = Path("/proc/self/cgroup").read_text()
        mounts = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return None
    place = place_of(membership, mounts)
    if place is None or not (place.version == 1 or _hands_memory_down(place.folder)):
        return None
    try:
        probe = AgentGroups(place)
        try:
            probe.new(_PROBE_BYTES)
        finally:
            probe.close()
    except OSError as error:
        log.info("memory of tasks is limited process by process, as %s can have no groups: %s", place, error)
        return None
    return place


def place_of(membership: str, mounts: str) -> Place | None:
    """Where this process's own group for memory is mounted, from /proc/self/cgroup and /proc/self/mountinfo."""
    paths = {}
    for line in membership.splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            paths[1] = path
        elif number == "0":
            paths[2] = path
    for version in sorted(paths):
        for line in mounts.splitlines():
            before, _, after = line.partition(" - ")
            root, mounted_at = before.split()[3:5]
            kind, _, options = after.split(" ", 2)
            if version == 1 and (kind != "cgroup" or "memory" not in options.split(",")):
                continue
            if version == 2 and kind != "cgroup2":
                continue
            with contextlib.suppress(ValueError):
                inside = PurePosixPath(paths[version]).relative_to(root)
                if ".." not in inside.parts:
                    return Place(folder=Path(mounted_at) / inside, version=version)
    return None


def _hands_memory_down(folder: Path) -> bool:
    """Whether groups in this one (of version 2) can limit memory, once this process has made way for them."""
    control = folder / "cgroup.subtree_control"
    try:
        if "memory" in control.read_text().split():
            return True
        try:
            control.write_text("+memory")
        except OSError as error:
            alone = (folder / "cgroup.procs").read_text().split() == [str(os.getpid())]
            if error.errno != errno.EBUSY or not alone:
                return False
            own = folder / _AGENT
            own.mkdir(exist_ok=True)
            (own / "cgroup.procs").write_text("0")
            control.write_text("+memory")
    except OSError:
        return False
    return True


def _own_folder(place: Place) -> tuple[Path, int]:
    """A new folder and the descriptor that locks it. Another agent may take it for a leftover until then."""
    while True:
        folder = place.folder / f"{_PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        lock = -1
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if place.version == 2:
                (folder / "cgroup.subtree_control").write_text("+memory")
            if folder.exists():
                return folder, lock
        except (FileNotFoundError, BlockingIOError):
            pass
        except OSError:
            os.close(lock)
            folder.rmdir()
            raise
        if lock >= 0:
            os.close(lock)


def _removed(folder: Path) -> bool:
    """Remove an agent's folder with its groups; False if one of them is not empty yet."""
    groups = [one for one in folder.iterdir() if one.is_dir()] if folder.exists() else []
    staying = [one for one in groups if not _emptied(one)]
    return not staying and _emptied(folder)


def _emptied(group: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
