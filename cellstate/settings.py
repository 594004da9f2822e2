"""Settings from the environment, each with its default and unit; OMEGA_<NAME> sets it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from omegacell.cellstate.edge import expected
from omegacell.cellstate.errors import SpecInvalid
from omegacell.cellstate.model import DEVICES_AT_MOST
from omegacell.cellstate.units import parse_seconds, written_seconds

_PREFIX = "OMEGA_"
_DAY_SECONDS = 86400.0


def _duration(name: str) -> BeforeValidator:
    """Seconds, from a number or from words such as 7d."""

    def read(written: object) -> float:
        return written_seconds(written, name) if isinstance(written, str) else parse_seconds(written, name)

    return BeforeValidator(read)


class Settings(BaseSettings):
    """What may be set from outside. Names are API: add, do not rename. SpecInvalid where one means nothing."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore")

    dsn: str = Field(default="", description="PostgreSQL of the cell; empty: the local cell's")
    schema_name: str = Field(
        default="omega", alias="OMEGA_SCHEMA", description="PostgreSQL schema that holds the cell"
    )
    ray_address: str = Field(default="", description="Ray cluster to run actors on; empty: a local one")
    data_dir: Path | None = Field(default=None, description="where the local cell keeps its data")
    postgres_bin: Path | None = Field(default=None, description="folder with initdb and postgres")
    gpus: int | None = Field(
        default=None, ge=0, le=DEVICES_AT_MOST, description="devices of a worker's host; otherwise as found"
    )
    lease_seconds: float = Field(default=10.0, gt=0, description="lease of workers and schedulers")
    poll_seconds: float = Field(default=1.0, gt=0, description="longest wait where no hint arrives")
    poll_only: bool = Field(default=False, description="no LISTEN/NOTIFY; works through a pooling proxy")
    result_limit_bytes: int = Field(default=16 * 2**20, gt=0, description="largest result of a callable")
    log_tail_bytes: int = Field(default=16 * 2**10, ge=0, description="kept of stdout and stderr each")
    log_file_bytes: int = Field(
        default=64 * 2**20, gt=0, description="what a task's stdout or stderr may grow to before it is cut"
    )
    log_file_retention_seconds: Annotated[float, _duration("OMEGA_LOG_FILE_RETENTION")] = Field(
        default=7 * _DAY_SECONDS,
        gt=0,
        alias="OMEGA_LOG_FILE_RETENTION",
        description="how long a worker keeps what its tasks wrote, in seconds or such as 7d",
    )
    address: str = Field(
        default="", description="name or number by which others reach this host; empty: as found"
    )
    connect_timeout_seconds: float = Field(default=10.0, gt=0, description="for one connection attempt")
    retry_seconds: float = Field(default=30.0, ge=0, description="how long transient errors are retried")
    retention_seconds: Annotated[float, _duration("OMEGA_RETENTION")] = Field(
        default=30 * _DAY_SECONDS,
        gt=0,
        alias="OMEGA_RETENTION",
        description="how long ended jobs and their outcomes are kept, in seconds or such as 30d",
    )
    log_retention_seconds: Annotated[float, _duration("OMEGA_LOG_RETENTION")] = Field(
        default=7 * _DAY_SECONDS,
        gt=0,
        alias="OMEGA_LOG_RETENTION",
        description="how long the cell's log is kept, in seconds or such as 7d",
    )

    def __init__(self, **written: Any) -> None:
        try:
            super().__init__(**written)
        except ValidationError as error:
            raise SpecInvalid(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """The first setting that cannot be used, by the name it has in the environment."""
    details = error.errors(include_url=False)[0]
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, SpecInvalid):
        return str(cause)
    name = str(details["loc"][0])
    shown = name if name.startswith(_PREFIX) else _PREFIX + name.upper()
    return f"{shown}={details['input']!r} cannot be used; {expected(details)}"
