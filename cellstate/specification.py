"""The JSON form of a job's specification: what the store keeps, and compares when a key is used again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import (
    DIMENSIONS,
    Amounts,
    AntiAffinity,
    CommitMode,
    Constraint,
    Detection,
    Health,
    JobSpec,
    OnLost,
    Operator,
    TaskKind,
)

_ENUMS = ("kind", "detection", "commit", "on_lost")
_CONTAINERS = ("command", "env", "surroundings", "labels", "constraints", "anti_affinity")
_IF_ANY = ("max_running", "max_failures", "open", "after", "after_any", "ports", "health")
"""Written only where they say something: specifications of versions that did not know them stay equal and readable."""
_PLAIN = tuple(
    field.name
    for field in fields(JobSpec)
    if field.name not in {"amounts", "payload", *_ENUMS, *_CONTAINERS, *_IF_ANY}
)


def to_json(spec: JobSpec) -> dict[str, Any]:
    """Every field but the payload, which appears as its SHA-256; equal specifications give equal dicts.

    Names are JobSpec's; the amounts stand flat, as cpu_milli, memory_bytes and disk_bytes, and as gpu_milli and
    custom (an object: name to milli) only where there are any. Ready for json.dumps: enums as their values,
    tuples as lists.
    """
    written: dict[str, Any] = {name: getattr(spec, name) for name in _PLAIN}
    written |= {name: getattr(spec, name).value for name in _ENUMS}
    written |= {dimension: getattr(spec.amounts, dimension) for dimension in DIMENSIONS}
    if spec.amounts.gpu_milli:
        written["gpu_milli"] = spec.amounts.gpu_milli
    if spec.amounts.custom:
        written["custom"] = dict(spec.amounts.custom)
    written |= _written_if_any(spec)
    written["command"] = list(spec.command)
    written["env"] = dict(spec.env)
    written["surroundings"] = dict(spec.surroundings)
    written["labels"] = dict(spec.labels)
    written["constraints"] = [
        {"attribute": one.attribute, "operator": one.operator.value, "values": list(one.values)}
        for one in spec.constraints
    ]
    written["anti_affinity"] = [
        {"attribute": one.attribute, "limit": one.limit} for one in spec.anti_affinity
    ]
    written["payload_sha256"] = hashlib.sha256(spec.payload).hexdigest()
    return written


def _written_if_any(spec: JobSpec) -> dict[str, Any]:
    found: dict[str, Any] = {
        "max_running": spec.max_running,
        "max_failures": spec.max_failures,
        "open": spec.open,
        "after": list(spec.after),
        "after_any": list(spec.after_any),
        "ports": dict(spec.ports),
        "health": asdict(spec.health) | {"command": list(spec.health.command)} if spec.health.checked else {},
    }
    return {name: value for name, value in found.items() if value}


def _read_if_any(written: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: written[name] for name in _IF_ANY if name in written}
    for name in ("after", "after_any"):
        found[name] = tuple(found.get(name, ()))
    found["ports"] = tuple(sorted(found.get("ports", {}).items()))
    if health := found.pop("health", None):
        found["health"] = Health(**health | {"command": tuple(health["command"])})
    return found


def from_json(written: Mapping[str, Any], payload: bytes) -> JobSpec:
    """The specification that to_json wrote, with its payload; SpecInvalid if they do not belong together."""
    found = hashlib.sha256(payload).hexdigest()
    if written["payload_sha256"] != found:
        raise SpecInvalid(
            f"payload of job {written['name']!r} has SHA-256 {found}, expected {written['payload_sha256']}; "
            "read both from the same job"
        )
    return JobSpec(
        **{name: written[name] for name in _PLAIN},
        kind=TaskKind(written["kind"]),
        detection=Detection(written["detection"]),
        commit=CommitMode(written["commit"]),
        on_lost=OnLost(written["on_lost"]),
        amounts=Amounts(
            **{dimension: written[dimension] for dimension in DIMENSIONS},
            gpu_milli=written.get("gpu_milli", 0),
            custom=tuple(sorted(written.get("custom", {}).items())),
        ),
        **_read_if_any(written),
        command=tuple(written["command"]),
        payload=payload,
        env=dict(written["env"]),
        surroundings=dict(written["surroundings"]),
        labels=dict(written["labels"]),
        constraints=tuple(
            Constraint(
                attribute=one["attribute"], operator=Operator(one["operator"]), values=tuple(one["values"])
            )
            for one in written["constraints"]
        ),
        anti_affinity=tuple(
            AntiAffinity(attribute=one["attribute"], limit=one["limit"]) for one in written["anti_affinity"]
        ),
    )


def differing_fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the fields in which two JSON forms differ, sorted; what KeyConflict reports.

    Where a job was submitted from is no part of it: the same key from another directory is the same job.
    """
    names = (one.keys() | other.keys()) - {"surroundings"}
    return tuple(sorted(name for name in names if one.get(name) != other.get(name)))
