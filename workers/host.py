"""What this host is and has, and how it is shared out over the machines one agent serves."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import DEVICE_MILLI, DEVICES_AT_MOST, Amounts, MachineSpec

GPUS = "gpus"
"""Attribute of a machine with devices: the host's numbers of them, by the machine's own ("2,3")."""
_NO_LIMIT = 2**60
"""cgroup v1 writes a limit near 2^63 where there is none."""
_LEAST_CPU_MILLI = 1000
"""What a task takes by default."""


def host_name() -> str:
    """This host's name."""
    return socket.gethostname()


def boot_id() -> str:
    """Changes with every boot and differs between pid namespaces: where equal, pids can be compared."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    return f"unknown-{host_name()}"


def process_exists(pid: int) -> bool:
    """Whether a process of that id runs here; a zombie does not."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
    with contextlib.suppress(ProcessLookupError):
        with contextlib.suppress(PermissionError):
            os.kill(pid, 0)
        return not os.path.isdir("/proc/self")
    return False


def host_capacity(disk_of: Path, gpus: int) -> Amounts:
    """CPUs and memory this process may use (affinity, cgroup), the free space of the file system, `gpus` devices."""
    return Amounts(
        cpu_milli=_cpu_milli(),
        memory_bytes=_memory_bytes(),
        disk_bytes=shutil.disk_usage(disk_of).free,
        gpu_milli=gpus * DEVICE_MILLI,
    )


def host_gpus(environ: Mapping[str, str], device_files: Path = Path("/dev")) -> int:
    """How many NVIDIA devices there are (nvidia0, nvidia1 ...), and CUDA_VISIBLE_DEVICES lets this process see.

    `environ` is what tasks inherit: without the one that Ray sets for its actors.
    """
    files = device_files.glob("nvidia[0-9]*")
    found = sum(one.name.removeprefix("nvidia").isdecimal() for one in files)
    if "CUDA_VISIBLE_DEVICES" in environ:
        visible = [name.strip() for name in environ["CUDA_VISIBLE_DEVICES"].split(",")]
        found = min(found, sum(name not in {"", "-1"} for name in visible))
    return min(found, DEVICES_AT_MOST)


def share(capacity: Amounts, machines: int) -> tuple[Amounts, ...]:
    """What each of `machines` gets: equal parts, rounded down, but never less than one CPU each.

    A task takes one CPU unless it says otherwise: smaller machines would be ones that nothing fits on. More
    machines than CPUs share the host's time, and a try of a large cell on a small host is what they are for.
    Devices are dealt out whole, the first machines getting one more where they do not come out even. A host
    has no named resources by itself: those are what its machines are given.
    """
    if machines < 1:
        raise SpecInvalid(f"{machines} machines cannot be served; give 1 or more")
    devices, more = divmod(capacity.gpu_milli // DEVICE_MILLI, machines)
    return tuple(
        Amounts(
            cpu_milli=max(_LEAST_CPU_MILLI, capacity.cpu_milli // machines),
            memory_bytes=capacity.memory_bytes // machines,
            disk_bytes=capacity.disk_bytes // machines,
            gpu_milli=(devices + (number < more)) * DEVICE_MILLI,
        )
        for number in range(machines)
    )


def host_attributes() -> dict[str, str]:
    """What constraints can ask of this host."""
    return {
        "arch": platform.machine(),
        "host": host_name(),
        "os": platform.system().lower(),
        "python": platform.python_version(),
    }


def machine_specs(
    name: str, machines: Sequence[Amounts], attributes: Mapping[str, str]
) -> tuple[MachineSpec, ...]:
    """The machines of one agent: named like it if there is one, else NAME-0, NAME-1 and so on."""
    names = [name] if len(machines) == 1 else [f"{name}-{number}" for number in range(len(machines))]
    shared = {**host_attributes(), **attributes}
    return tuple(
        MachineSpec(name=machine, capacity=amounts, attributes=shared)
        for machine, amounts in zip(names, machines, strict=True)
    )


def with_devices(machines: Sequence[MachineSpec]) -> tuple[MachineSpec, ...]:
    """The machines of one host with its devices: each goes to one of them, in order, and GPUS says which."""
    numbered, first = [], 0
    for machine in machines:
        after = first + machine.capacity.gpu_milli // DEVICE_MILLI
        devices = {GPUS: ",".join(map(str, range(first, after)))} if after > first else {}
        numbered.append(replace(machine, attributes={**machine.attributes, **devices}))
        first = after
    return tuple(numbered)


def _cpu_milli() -> int:
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:
        cpus = os.cpu_count() or 1
    quota = cpus * 1000
    with contextlib.suppress(OSError, ValueError):
        allowed, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        quota = int(allowed) * 1000 // int(period)
    with contextlib.suppress(OSError, ValueError):
        allowed_us = int(Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text())
        if allowed_us > 0:
            quota = allowed_us * 1000 // int(Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text())
    return max(1, min(quota, cpus * 1000))


def _memory_bytes() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            found = int(Path(limit).read_text())
            if found < _NO_LIMIT:
                total = min(total, found)
    return total
