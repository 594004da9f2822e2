"""The tables of a cell, as SQLAlchemy Core; migrations/versions must lead to exactly these.

All live in one configurable PostgreSQL schema, found through the search path. Amounts never leave
0 .. capacity: the CHECKs hold that even against a wrong commit function. Hot rows (machine, job_state,
scheduler, worker) have a low fill factor and no index on what changes, so that updates stay HOT. machine.extended
says that there are rows of the machine in device or machine_custom; placement.devices is a bit mask. job_state.failing:
its cancellation makes it a failed job; dependency.due: its parent has ended, or nobody has looked since it was stored;
outcome.xid only for tasks of jobs that were submitted open; log_request is lost in a crash, which costs a question.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.types import UserDefinedType

SCHEMA_VERSION = "0003"
"""The migration this code speaks; equals the one Alembic head (a test holds it to that)."""


class Xid8(UserDefinedType[str]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "xid8"


metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_index",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s",
        "pk": "%(table_name)s_pkey",
    }
)


def _id(name: str) -> Column[int]:
    return Column(name, BigInteger, Identity(always=False), primary_key=True)


def _bigint(name: str, *, default: str | None = None, primary_key: bool = False) -> Column[int]:
    return Column(
        name, BigInteger, nullable=False, server_default=default, primary_key=primary_key, autoincrement=False
    )


def _int(name: str, *, default: str | None = None) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=default)


def _text(name: str, *, default: str | None = None) -> Column[str]:
    return Column(
        name, Text, nullable=False, server_default=None if default is None else text(f"'{default}'")
    )


def _bool(name: str, default: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=default)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _vacuumed(*, scale_factor: float, threshold: int) -> dict[str, float]:
    """Autovacuum as a table of short-lived or often changed rows needs it; reasons in migration 0002."""
    return {
        "autovacuum_vacuum_scale_factor": scale_factor,
        "autovacuum_vacuum_threshold": threshold,
        "autovacuum_vacuum_cost_delay": 0,
    }


cell = Table(
    "cell",
    metadata,
    Column("cell_id", SmallInteger, primary_key=True, server_default="1", autoincrement=False),
    _text("schema_version"),
    _text("functions_digest"),
    _bigint("generation"),
    Column("purged_xid", Xid8, nullable=False, server_default="0"),
    CheckConstraint("cell_id = 1", name="one_row"),
)

worker = Table(
    "worker",
    metadata,
    _id("worker_id"),
    Column("name", Text, nullable=False, unique=True),
    _text("host"),
    _text("boot_id"),
    _bigint("pid"),
    _text("log_directory"),
    _bigint("token"),
    Column("lease_seconds", Float(53), nullable=False),
    _time("expires_at"),
    _text("address", default=""),
    postgresql_with={"fillfactor": 50},
)

scheduler = Table(
    "scheduler",
    metadata,
    _id("scheduler_id"),
    Column("name", Text, nullable=False, unique=True),
    _text("kind"),
    _bigint("token"),
    Column("lease_seconds", Float(53), nullable=False),
    _time("expires_at"),
    _time("registered_at"),
    _bigint("transactions_succeeded", default="0"),
    _bigint("transactions_failed", default="0"),
    _bigint("claims", default="0"),
    _bigint("claims_refused", default="0"),
    _bigint("placements", default="0"),
    _bigint("attempts", default="0"),
    Column("busy_seconds", Float(53), nullable=False, server_default="0"),
    _text("wanted", default="run"),
    _text("policy", default=""),
    CheckConstraint("wanted IN ('run', 'hold', 'drain')", name="wanted"),
    postgresql_with={"fillfactor": 50},
)

fleet = Table(
    "fleet",
    metadata,
    Column("kind", Text, primary_key=True),
    _int("wanted"),
    CheckConstraint("wanted >= 0", name="wanted"),
)

machine = Table(
    "machine",
    metadata,
    _id("machine_id"),
    _bigint("cpu_milli"),
    _bigint("memory_bytes"),
    _bigint("disk_bytes"),
    _bigint("used_cpu_milli", default="0"),
    _bigint("used_memory_bytes", default="0"),
    _bigint("used_disk_bytes", default="0"),
    _bigint("version"),
    _bigint("claim_sequence"),
    Column("last_claim_txn", UUID(as_uuid=True)),
    _bigint("epoch"),
    _bigint("worker_id"),
    _bool("up", "true"),
    _bool("schedulable", "true"),
    _bool("extended", "false"),
    CheckConstraint("used_cpu_milli BETWEEN 0 AND cpu_milli", name="cpu_fits"),
    CheckConstraint("used_memory_bytes BETWEEN 0 AND memory_bytes", name="memory_fits"),
    CheckConstraint("used_disk_bytes BETWEEN 0 AND disk_bytes", name="disk_fits"),
    Index(None, "worker_id"),
    postgresql_with={"fillfactor": 50} | _vacuumed(scale_factor=0.2, threshold=2000),
)

machine_fact = Table(
    "machine_fact",
    metadata,
    _bigint("machine_id", primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("attributes", JSONB, nullable=False),
)

device = Table(
    "device",
    metadata,
    _bigint("machine_id", primary_key=True),
    Column("device_index", SmallInteger, primary_key=True, autoincrement=False),
    _int("used_milli", default="0"),
    CheckConstraint("used_milli BETWEEN 0 AND 1000", name="fits"),
    postgresql_with={"fillfactor": 50},
)

machine_custom = Table(
    "machine_custom",
    metadata,
    _bigint("machine_id", primary_key=True),
    Column("name", Text, primary_key=True),
    _bigint("capacity_milli"),
    _bigint("used_milli", default="0"),
    CheckConstraint("used_milli BETWEEN 0 AND capacity_milli", name="fits"),
    postgresql_with={"fillfactor": 50},
)

reservation = Table(
    "reservation",
    metadata,
    _bigint("machine_id", primary_key=True),
    _bigint("job_id"),
    _int("priority"),
    _time("until"),
    Index(None, "job_id"),
)

preemption = Table(
    "preemption",
    metadata,
    _time("at"),
    _bigint("machine_id"),
    _bigint("winner_job"),
    _bigint("victim_job"),
    _bigint("first_index"),
    _int("count"),
    _int("attempt"),
    Index(None, "winner_job"),
    Index(None, "victim_job"),
)

job = Table(
    "job",
    metadata,
    _id("job_id"),
    Column("submission_id", UUID(as_uuid=True), nullable=False, unique=True),
    _text("namespace"),
    _text("name"),
    _text("key"),
    Column("labels", JSONB, nullable=False),
    _text("scheduler"),
    _int("priority"),
    _bool("preemptible", "true"),
    _bigint("cpu_milli"),
    _bigint("memory_bytes"),
    _bigint("disk_bytes"),
    _bigint("gpu_milli", default="0"),
    Column("custom", JSONB),
    _text("detection"),
    _text("commit"),
    _bigint("gang_min"),
    _bool("service", "false"),
    _int("retries"),
    Column("backoff_seconds", Float(53), nullable=False),
    Column("backoff_max_seconds", Float(53), nullable=False),
    _text("on_lost"),
    _int("max_lost"),
    Column("specification", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    _text("inputs_digest"),
    _time("submitted_at"),
    _bool("open", "false"),
    CheckConstraint("cpu_milli >= 0 AND memory_bytes >= 0 AND disk_bytes >= 0", name="amounts"),
    CheckConstraint("gpu_milli >= 0 AND (gpu_milli < 1000 OR gpu_milli % 1000 = 0)", name="devices"),
    CheckConstraint("detection IN ('fine', 'coarse')", name="detection"),
    CheckConstraint("commit IN ('incremental', 'all_or_nothing', 'gang')", name="commit"),
    CheckConstraint("on_lost IN ('rerun', 'fail')", name="on_lost"),
    CheckConstraint("priority BETWEEN 0 AND 1000", name="priority"),
    Index("job_namespace_key_index", "namespace", "key", unique=True, postgresql_where=text("key <> ''")),
)

job_state = Table(
    "job_state",
    metadata,
    _bigint("job_id", primary_key=True),
    _text("state", default="pending"),
    _bigint("task_count"),
    _bigint("next_index", default="0"),
    _bigint("placed", default="0"),
    _bigint("succeeded", default="0"),
    _bigint("failed", default="0"),
    _bigint("cancelled", default="0"),
    _bigint("never_placed", default="0"),
    _bigint("attempts", default="0"),
    _bigint("fruitless", default="0"),
    _bigint("conflicts", default="0"),
    _bigint("measured_tasks", default="0"),
    _bigint("measured_us", default="0"),
    _bigint("purged_succeeded", default="0"),
    _bigint("purged_unsuccessful", default="0"),
    _bool("cancel_requested", "false"),
    _bigint("claimed_by", default="0"),
    _bigint("first_scheduler", default="0"),
    _text("reason", default=""),
    _time("first_attempt_at", nullable=True),
    _time("first_placed_at", nullable=True),
    _time("ended_at", nullable=True),
    _bool("open", "false"),
    _bool("held", "false"),
    _bool("failing", "false"),
    _int("blocked_by", default="0"),
    _int("max_running", default="0"),
    _int("max_failures", default="0"),
    CheckConstraint("blocked_by >= 0 AND max_running >= 0 AND max_failures >= 0", name="limits"),
    CheckConstraint("NOT open OR state NOT IN ('succeeded', 'failed', 'cancelled')", name="final_is_closed"),
    CheckConstraint(
        "state IN ('blocked', 'pending', 'running', 'succeeded', 'failed', 'cancelled')", name="state"
    ),
    CheckConstraint("next_index + never_placed <= task_count AND next_index >= 0", name="numbering"),
    CheckConstraint("placed >= 0 AND succeeded + failed + cancelled <= task_count", name="counters"),
    Index("job_state_claimed_by_index", "claimed_by", postgresql_where=text("claimed_by <> 0")),
    postgresql_with={"fillfactor": 50} | _vacuumed(scale_factor=0.2, threshold=2000),
)

dependency = Table(
    "dependency",
    metadata,
    _bigint("parent_job", primary_key=True),
    _bigint("child_job", primary_key=True),
    _bool("any_end", "false"),
    _bool("due", "true"),
    CheckConstraint("parent_job < child_job", name="order"),
    Index(None, "child_job"),
    Index("dependency_due_index", "child_job", postgresql_where=text("due")),
)

job_expiry = Table(
    "job_expiry",
    metadata,
    _bigint("job_id", primary_key=True),
    Column("why", Text, primary_key=True),
    _time("at"),
    Column("seconds", Float(53), nullable=False),
    CheckConstraint("why IN ('deadline', 'lease')", name="why"),
    Index(None, "at"),
)

job_explanation = Table(
    "job_explanation",
    metadata,
    _bigint("job_id", primary_key=True),
    Column("explanation", JSONB, nullable=False),
    _time("changed_at"),
)

job_queue = Table(
    "job_queue",
    metadata,
    _bigint("job_id", primary_key=True),
    _text("scheduler"),
    _int("priority"),
    Column("position", BigInteger, Identity(always=False), nullable=False),
    _time("not_before"),
    Index("job_queue_order_index", "scheduler", desc("priority"), "position"),
    postgresql_with=_vacuumed(scale_factor=0.1, threshold=500),
)

task_input = Table(
    "task_input",
    metadata,
    _bigint("job_id", primary_key=True),
    _bigint("first_index", primary_key=True),
    _int("count"),
    Column("chunk", LargeBinary, nullable=False),
)

retry = Table(
    "retry",
    metadata,
    _bigint("job_id", primary_key=True),
    _bigint("first_index", primary_key=True),
    _int("count", default="1"),
    _int("attempt"),
    _int("failures"),
    _int("lost"),
    _time("not_before"),
    CheckConstraint("count >= 1", name="count"),
    postgresql_with=_vacuumed(scale_factor=0.1, threshold=500),
)

placement = Table(
    "placement",
    metadata,
    _bigint("job_id", primary_key=True),
    _bigint("first_index", primary_key=True),
    _int("count", default="1"),
    _int("attempt"),
    _int("failures"),
    _int("lost"),
    _bigint("machine_id"),
    _bigint("epoch"),
    _bigint("cpu_milli"),
    _bigint("memory_bytes"),
    _bigint("disk_bytes"),
    _bool("running", "false"),
    _text("stop", default=""),
    _time("placed_at"),
    Column("devices", BigInteger),
    Column("preempted_by", BigInteger),
    Column("ports", JSONB),
    CheckConstraint("stop IN ('', 'cancel', 'preempt')", name="stop"),
    CheckConstraint("count >= 1", name="count"),
    Index(None, "machine_id"),
    postgresql_with={"fillfactor": 80} | _vacuumed(scale_factor=0.1, threshold=2000),
)

outcome = Table(
    "outcome",
    metadata,
    _time("at"),
    _bigint("job_id"),
    _bigint("task_index"),
    _int("attempt"),
    _text("state"),
    _bool("final", "true"),
    _bigint("machine_id"),
    _int("exit_code"),
    _time("started_at"),
    _time("ended_at"),
    Column("result", LargeBinary, nullable=False),
    _text("error"),
    _text("stdout_tail"),
    _text("stderr_tail"),
    Column("xid", Xid8),
    Index(None, "job_id", "task_index"),
    Index("outcome_stream_index", "job_id", "xid", postgresql_where=text("xid IS NOT NULL")),
    postgresql_partition_by="RANGE (at)",
)

job_delta = Table(
    "job_delta",
    metadata,
    _bigint("job_id"),
    _bigint("ended"),
    _bigint("succeeded"),
    _bigint("failed"),
    _bigint("cancelled"),
    _bigint("measured_tasks", default="0"),
    _bigint("measured_us", default="0"),
    Index(None, "job_id"),
    postgresql_with=_vacuumed(scale_factor=0.1, threshold=500),
)

cell_log = Table(
    "cell_log",
    metadata,
    Column("log_id", BigInteger, Identity(always=False), nullable=False),
    _time("at"),
    Column("xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    _text("kind"),
    Column("txn_id", UUID(as_uuid=True)),
    _bigint("scheduler_id", default="0"),
    Column("claim_job", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_machine", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_slots", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_accepted", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_reason", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_free", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_first_index", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_rival_txn", ARRAY(UUID(as_uuid=True)), nullable=False, server_default="{}"),
    Column("claim_rival_scheduler", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_tasks", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_placed", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_placed_on", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("claim_preempted", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("machine_id", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("machine_version", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("machine_used", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("job_id", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("job_state", ARRAY(Text), nullable=False, server_default="{}"),
    _text("detail", default=""),
    Index(None, "xid"),
    Index("cell_log_txn_id_index", "txn_id", postgresql_where=text("txn_id IS NOT NULL")),
    postgresql_partition_by="RANGE (at)",
)

log_request = Table(
    "log_request",
    metadata,
    _id("request_id"),
    _bigint("worker_id"),
    _bigint("job_id"),
    _bigint("task_index"),
    _int("attempt"),
    _bigint("stdout_from"),
    _bigint("stderr_from"),
    _time("asked_at"),
    _bool("answered", "false"),
    _bool("found", "false"),
    Column("stdout", LargeBinary, nullable=False, server_default=""),
    Column("stderr", LargeBinary, nullable=False, server_default=""),
    _bigint("stdout_at", default="0"),
    _bigint("stderr_at", default="0"),
    Index("log_request_worker_id_index", "worker_id", postgresql_where=text("NOT answered")),
    prefixes=["UNLOGGED"],
)

token_sequence = Sequence("token_sequence", metadata=metadata)
"""Where fencing tokens come from: one sequence for all holders, so that no token is ever used twice."""
