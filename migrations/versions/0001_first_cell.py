"""The first cell: every table of DESIGN section 3."""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQL = files("omegacell.migrations").joinpath("sql")


def upgrade() -> None:
    """Make all tables."""
    op.execute(_SQL.joinpath("0001_first_cell_up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Take them away, with what they hold."""
    op.execute(_SQL.joinpath("0001_first_cell_down.sql").read_text(encoding="utf-8"))
