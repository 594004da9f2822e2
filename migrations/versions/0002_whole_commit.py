"""The whole commit: devices, preemption, reservations, alternatives, ranges; purging; storage settings."""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQL = files("omegacell.migrations").joinpath("sql")


def upgrade() -> None:
    """Add the columns and tables."""
    op.execute(_SQL.joinpath("0002_whole_commit_up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Take them away, with what they hold."""
    op.execute(_SQL.joinpath("0002_whole_commit_down.sql").read_text(encoding="utf-8"))
