"""The environment variables a task sees, and what else a process has that runs callables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omegacell.cellstate.model import TaskDefinition
from omegacell.workers.runner import Slot

_HOST_ONLY_PREFIXES = ("RAY_", "OMEGA_")
_THREADS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Numerical libraries otherwise start a thread for every CPU of the host, whatever the task was given."""
_VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
_SET_BY_RAY = (_VISIBLE_DEVICES, "OMP_NUM_THREADS", "PYTHONBREAKPOINT")
"""Ray gives its actors these for its own accounting; a task's placement is not Ray's."""

RESERVED_DEVICES = "OMEGA_RESERVED_DEVICES"
"""Set by the worker's actor where Ray has given it devices for good: those it may hand on to tasks."""

PYTHON_VERSION, PYTHON = "OMEGA_PYTHON_VERSION", "OMEGA_PYTHON"
"""The submitter's, among the variables of a callable's job."""
_FOR_THE_WORKER = (PYTHON_VERSION, PYTHON)


@dataclass(frozen=True, slots=True)
class Environment:
    """What slots must have in common to share a process.

    The interpreter, working directory, sorted variables, and what the process may use of memory (0: anything);
    where a slot has devices, also those and its job: libraries read CUDA_VISIBLE_DEVICES once, and give a device's
    memory back when the process ends and not before. Where it has ports, its job: they stay in the environment.
    """

    python: str
    cwd: str
    variables: tuple[tuple[str, str], ...]
    memory_bytes: int = 0
    devices: frozenset[int] = frozenset()
    job_id: int = 0


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What tasks may inherit from the agent's own environment: not its settings, and nothing of Ray's."""
    in_ray = any(name.startswith("RAY_") for name in environ)
    reserved = {_VISIBLE_DEVICES: environ[RESERVED_DEVICES]} if RESERVED_DEVICES in environ else {}
    inherited = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_HOST_ONLY_PREFIXES) and not (in_ray and name in _SET_BY_RAY)
    }
    return {**inherited, **reserved}


def slot_environment(base: Mapping[str, str], slot: Slot, cwd: str) -> dict[str, str]:
    """What a process has from its start on, whichever of the job's tasks it runs on these devices.

    For threads the host's word counts more than the placement's, and the job's more than both; devices are
    the placement's alone: a job that chose its own would take another's.
    """
    definition = slot.definition
    asked = {name: value for name, value in definition.env.items() if name not in _FOR_THE_WORKER}
    threads = dict.fromkeys(_THREADS, _threads_of(definition))
    devices = {}
    if slot.devices:
        visible = visible_devices(base.get(_VISIBLE_DEVICES, ""), slot.host_devices)
        devices = {"OMEGA_DEVICES": _listed(slot.devices), _VISIBLE_DEVICES: visible}
    return {**threads, **base, "PWD": cwd, **asked, **devices}


def visible_devices(inherited: str, host_devices: Sequence[int]) -> str:
    """CUDA_VISIBLE_DEVICES of a task: where the agent itself sees only some devices, those of its list."""
    names = [name.strip() for name in inherited.split(",")] if inherited else []
    if any(number >= len(names) for number in host_devices):
        return _listed(host_devices)
    return ",".join(names[number] for number in host_devices)


def task_variables(slot: Slot, index: int) -> dict[str, str]:
    """What tells one task from another."""
    return {
        "OMEGA_JOB_ID": str(slot.key.job_id),
        "OMEGA_TASK_INDEX": str(index),
        "OMEGA_ATTEMPT": str(slot.key.attempt),
        "OMEGA_MACHINE": slot.machine,
    }


def _threads_of(definition: TaskDefinition) -> str:
    return str(max(1, definition.amounts.cpu_milli // 1000))


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
