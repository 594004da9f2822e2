"""The environment variables a task sees."""

from __future__ import annotations

from collections.abc import Mapping

from omegacell.workers.runner import Task

_HOST_ONLY_PREFIXES = ("RAY_", "OMEGA_")
_SET_BY_RAY = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTHONBREAKPOINT")
"""Ray gives its actors these for its own accounting; a task's placement is not Ray's."""


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What tasks may inherit from the agent's own environment: not its settings, and nothing of Ray's."""
    in_ray = any(name.startswith("RAY_") for name in environ)
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(_HOST_ONLY_PREFIXES) and not (in_ray and name in _SET_BY_RAY)
    }


def job_environment(base: Mapping[str, str], task: Task, cwd: str) -> dict[str, str]:
    """What all tasks of a job of that size share; what the job says wins over what is derived."""
    threads = max(1, task.definition.amounts.cpu_milli // 1000)
    derived = {"OMP_NUM_THREADS": str(threads), "PWD": cwd}
    return {**base, **derived, **task.definition.env}


def task_variables(task: Task) -> dict[str, str]:
    """What tells one task from another."""
    return {
        "OMEGA_JOB_ID": str(task.key.job_id),
        "OMEGA_TASK_INDEX": str(task.key.first_index),
        "OMEGA_ATTEMPT": str(task.key.attempt),
        "OMEGA_MACHINE": task.machine,
    }
