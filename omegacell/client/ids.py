"""Ids as people write them: j4711 a job, j4711.7 its task, j4711.7#2 an attempt; integers in the store."""

from __future__ import annotations

import re

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.units import LARGEST

_JOB = re.compile(r"j?([0-9]{1,19})", re.ASCII)
_TASK = re.compile(r"(j?[0-9]{1,19})\.([0-9]{1,10})(?:#[0-9]{1,10})?", re.ASCII)


def job_text(job_id: int) -> str:
    """A job's id as it is written."""
    return f"j{job_id}"


def task_text(job_id: int, task_index: int) -> str:
    """A task's id as it is written."""
    return f"j{job_id}.{task_index}"


def parse_job(written: str | int) -> int:
    """A job's id from 4711, "4711" or "j4711"; SpecInvalid if it is none."""
    if isinstance(written, int) and not isinstance(written, bool):
        number = written
    else:
        match = _JOB.fullmatch(written.strip()) if isinstance(written, str) else None
        number = int(match[1]) if match else 0
    if not 1 <= number <= LARGEST:
        raise SpecInvalid(f"{written!r} is no job id; expected for instance j4711")
    return number


def is_job_id(written: str) -> bool:
    """Whether the text has the form of a job's id."""
    return _JOB.fullmatch(written.strip()) is not None


def parse_task(written: str) -> tuple[int, int | None]:
    """(job, task index) from "j4711.7", (job, None) from "j4711"; SpecInvalid if it is neither."""
    match = _TASK.fullmatch(written.strip())
    if match:
        return parse_job(match[1]), int(match[2])
    if "." in written:
        raise SpecInvalid(f"{written!r} is no task id; expected for instance j4711.7")
    return parse_job(written), None
