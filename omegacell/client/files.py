"""Jobs from YAML and JSON files: one job, a list of jobs, or a mapping with `jobs:`."""

from __future__ import annotations

from pathlib import Path

import yaml

from omegacell.cellstate.edge import read
from omegacell.cellstate.errors import NotFound, SpecInvalid
from omegacell.cellstate.spec import Job


def load_jobs(path: Path) -> list[Job]:
    """The jobs of a file, in its order; SpecInvalid says which job and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"file {str(path)!r} does not exist; name a YAML or JSON file with jobs") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecInvalid(f"file {str(path)!r} cannot be read: {error}") from None
    return parse_jobs(text, str(path))


def parse_jobs(text: str, where: str) -> list[Job]:
    """The jobs of a text in YAML, of which JSON is a part."""
    try:
        written = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SpecInvalid(f"{where} is neither YAML nor JSON: {' '.join(str(error).split())}") from None
    if isinstance(written, dict) and set(written) == {"jobs"}:
        written = written["jobs"]
    if not isinstance(written, list):
        return [_job(written, where)]
    if not written:
        raise SpecInvalid(f"{where} has no jobs; expected one job, a list of jobs, or jobs: with a list")
    return [_job(one, f"job {position} of {where}") for position, one in enumerate(written, start=1)]


def _job(written: object, where: str) -> Job:
    if isinstance(written, dict) and (found := {"service", "services", "replicas"} & set(written)):
        raise SpecInvalid(
            f"{where} has {found.pop()!r}, but a file holds jobs only; "
            "start a service in Python with Cell.apply(name=..., command=..., replicas=...)"
        )
    return read(Job, written, where)
