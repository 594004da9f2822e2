"""The front door: dependencies, jobs that grow, limits, deadlines, ports, controlled schedulers, logs, events."""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SQL = files("omegacell.migrations").joinpath("sql")


def upgrade() -> None:
    """Add the columns and tables."""
    op.execute(_SQL.joinpath("0003_front_door_up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Take them away, with what they hold."""
    op.execute(_SQL.joinpath("0003_front_door_down.sql").read_text(encoding="utf-8"))
