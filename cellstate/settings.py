"""Settings from the environment, each with its default and unit; OMEGA_<NAME> sets it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What may be set from outside. Names are API: add, do not rename."""

    model_config = SettingsConfigDict(env_prefix="OMEGA_", extra="ignore")

    dsn: str = Field(default="", description="PostgreSQL of the cell; empty: the local cell's")
    schema_name: str = Field(
        default="omega", alias="OMEGA_SCHEMA", description="PostgreSQL schema that holds the cell"
    )
    ray_address: str = Field(default="", description="Ray cluster to run actors on; empty: a local one")
    data_dir: Path | None = Field(default=None, description="where the local cell keeps its data")
    postgres_bin: Path | None = Field(default=None, description="folder with initdb and postgres")
    lease_seconds: float = Field(default=10.0, gt=0, description="lease of workers and schedulers")
    poll_seconds: float = Field(default=1.0, gt=0, description="longest wait where no hint arrives")
    poll_only: bool = Field(default=False, description="no LISTEN/NOTIFY; works through a pooling proxy")
    result_limit_bytes: int = Field(default=16 * 2**20, gt=0, description="largest result of a callable")
    log_tail_bytes: int = Field(default=16 * 2**10, ge=0, description="kept of stdout and stderr each")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, description="for one connection attempt")
    retry_seconds: float = Field(default=30.0, ge=0, description="how long transient errors are retried")
