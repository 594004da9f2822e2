"""What each task holds while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from omegacell.cellstate.edge import Edge
from omegacell.cellstate.model import Amounts
from omegacell.cellstate.units import parse_bytes, parse_cpu, parse_custom, parse_gpu


class Resources(Edge):
    """What each task holds while it runs: CPUs, and bytes as an int or with a unit ("512MiB", "10MB").

    memory=0 means that memory is not accounted. gpu: below 1 a share of one device, else whole devices.
    custom: amounts of resources that machines have under a name of yours ({"licence": 1}).
    """

    cpu: float | str = 1
    memory: int | str = 0
    disk: int | str = 0
    gpu: float | str = 0
    custom: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Resources:
        self.amounts()
        return self

    def amounts(self) -> Amounts:
        """The same in whole units; SpecInvalid if one does not parse."""
        return Amounts(
            cpu_milli=parse_cpu(self.cpu),
            memory_bytes=parse_bytes(self.memory, "memory"),
            disk_bytes=parse_bytes(self.disk, "disk"),
            gpu_milli=parse_gpu(self.gpu),
            custom=parse_custom(self.custom),
        )
