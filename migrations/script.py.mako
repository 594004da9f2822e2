"""${message}."""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "${up_revision}"
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

_SQL = files("omegacell.migrations").joinpath("sql")


def upgrade() -> None:
    """What the revision does."""
    op.execute(_SQL.joinpath("${up_revision}_up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """The way back."""
    op.execute(_SQL.joinpath("${up_revision}_down.sql").read_text(encoding="utf-8"))
