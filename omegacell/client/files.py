"""Jobs and services from YAML and JSON files: one, a list, or a mapping with `jobs:` or `services:`."""

from __future__ import annotations

from pathlib import Path

import yaml

from omegacell.cellstate.edge import Model, read
from omegacell.cellstate.errors import NotFound, SpecInvalid
from omegacell.cellstate.spec import Job, Service


def load_jobs(path: Path) -> list[Job]:
    """The jobs of a file, in its order; SpecInvalid says which job and what is wrong with it.

    Jobs of a file come `after` each other by name.
    """
    return parse_jobs(_text(path, "jobs"), str(path))


def load_services(path: Path) -> list[Service]:
    """The services of a file, in its order; SpecInvalid says which service and what is wrong with it."""
    return parse_services(_text(path, "services"), str(path))


def parse_jobs(text: str, where: str) -> list[Job]:
    """The jobs of a text in YAML, of which JSON is a part."""
    return _parse(text, where, Job, other={"service", "services", "replicas"}, advice="use omega apply")


def parse_services(text: str, where: str) -> list[Service]:
    """The services of a text in YAML, of which JSON is a part."""
    return _parse(text, where, Service, other={"job", "jobs", "each", "count"}, advice="use omega submit")


def _text(path: Path, kind: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"file {str(path)!r} does not exist; name a YAML or JSON file with {kind}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecInvalid(f"file {str(path)!r} cannot be read: {error}") from None


def _parse(text: str, where: str, model: type[Model], *, other: set[str], advice: str) -> list[Model]:
    """What a text holds; `other` are names that tell that it holds something else, for which `advice` is meant."""
    kind = model.__name__.lower()
    kinds = f"{kind}s"
    try:
        written = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SpecInvalid(f"{where} is neither YAML nor JSON: {' '.join(str(error).split())}") from None

    def one(found: object, stands: str) -> Model:
        if isinstance(found, dict) and (strange := sorted(other & set(found))):
            raise SpecInvalid(
                f"{stands} has {strange[0]!r}, which is not of a {kind}; for {other_kind} {advice}"
            )
        return read(model, found, stands)

    other_kind = "services" if model is Job else "jobs"
    if isinstance(written, dict) and set(written) == {kinds}:
        written = written[kinds]
    if not isinstance(written, list):
        return [one(written, where)]
    if not written:
        raise SpecInvalid(
            f"{where} has no {kinds}; expected one {kind}, a list of {kinds}, or {kinds}: with a list"
        )
    return [one(found, f"{kind} {position} of {where}") for position, found in enumerate(written, start=1)]
