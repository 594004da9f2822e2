"""What jobs and services share: how a task runs, where it may be placed, what happens when it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from omegacell.cellstate.constraints import check_attribute, parse_anti_affinity, parse_constraint
from omegacell.cellstate.edge import Edge
from omegacell.cellstate.model import Constraint, Detection
from omegacell.cellstate.spec.resources import Resources
from omegacell.cellstate.spec.text import check_text
from omegacell.cellstate.units import parse_seconds

Duration = float | str
Constraints = Sequence[str | Constraint | tuple[Any, ...] | Mapping[str, Any]]
Texts = Mapping[str, str]
Text = Annotated[str, Field(min_length=1)]

_CHECKED_APART = {"after", "after_any", "command", "each", "function", "health", "ports", "resources"}
"""Fields whose text is looked at where they are parsed, or only when their items are known."""


def seconds(name: str) -> AfterValidator:
    """The field as seconds, from a number or from words such as "10m"."""
    return AfterValidator(lambda value: parse_seconds(value, name))


class Placed(Edge):
    """What jobs and services share."""

    labels: Texts = Field(default_factory=dict)
    namespace: Text = "default"
    resources: Resources = Field(default_factory=Resources)
    constraints: Constraints = ()
    spread: str = ""
    anti_affinity: Mapping[str, int] = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=0, le=1000)] = 100
    preemptible: bool = True
    detection: Literal["fine", "coarse"] = "fine"
    policy: str = ""
    backoff: Annotated[Duration, seconds("backoff")] = 1.0
    backoff_max: Annotated[Duration, seconds("backoff_max")] = 60.0
    timeout: Annotated[Duration, seconds("timeout")] = 0.0
    env: Texts = Field(default_factory=dict)
    cwd: str | Path = ""

    @model_validator(mode="after")
    def _check_placement(self) -> Placed:
        for constraint in self.constraints:
            parse_constraint(constraint)
        parse_anti_affinity(self.anti_affinity)
        if self.spread:
            check_attribute(self.spread, "spread")
        for name in sorted(type(self).model_fields.keys() - _CHECKED_APART):
            check_text(name, getattr(self, name))
        return self

    def shared(self) -> dict[str, Any]:
        """The fields of JobSpec that do not depend on what kind of thing this is."""
        return {
            "amounts": self.resources.amounts(),
            "labels": dict(self.labels),
            "namespace": self.namespace,
            "constraints": tuple(parse_constraint(one) for one in self.constraints),
            "spread": self.spread,
            "anti_affinity": parse_anti_affinity(self.anti_affinity),
            "priority": self.priority,
            "preemptible": self.preemptible,
            "detection": Detection(self.detection),
            "policy": self.policy,
            "backoff_seconds": parse_seconds(self.backoff, "backoff"),
            "backoff_max_seconds": parse_seconds(self.backoff_max, "backoff_max"),
            "timeout_seconds": parse_seconds(self.timeout, "timeout"),
            "env": dict(self.env),
            "cwd": str(self.cwd),
        }
