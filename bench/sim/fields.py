"""The words that the parts of a scenario share: amounts, durations, and how strict a part is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from omegacell.cellstate.model import Amounts
from omegacell.cellstate.units import parse_bytes, parse_cpu, parse_devices, parse_gpu, parse_seconds

Cpu = Annotated[int, BeforeValidator(lambda value: value and parse_cpu(value, "cpu"))]
Memory = Annotated[int, BeforeValidator(lambda value: parse_bytes(value, "memory"))]
Share = Annotated[int, BeforeValidator(lambda value: parse_gpu(value, "gpu"))]
Devices = Annotated[int, BeforeValidator(lambda value: parse_devices(value, "gpu"))]
Seconds = Annotated[float, BeforeValidator(lambda value: parse_seconds(value, "a duration"))]


class Part(BaseModel):
    """A table of the TOML file; a word that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(Part):
    """What a task takes, or a machine has; cpu in thousandths and memory in bytes, once read."""

    cpu: Cpu = 0
    memory: Memory = 0
    disk: Memory = 0

    def amounts(self) -> Amounts:
        """As the cell state has them."""
        return Amounts(cpu_milli=self.cpu, memory_bytes=self.memory, disk_bytes=self.disk)


class TaskAmount(Amount):
    """What a task takes. gpu: thousandths of a device, below 1000 a share of one."""

    gpu: Share = 0

    def amounts(self) -> Amounts:
        """As the cell state has them."""
        return Amounts(cpu_milli=self.cpu, memory_bytes=self.memory, disk_bytes=self.disk, gpu_milli=self.gpu)
