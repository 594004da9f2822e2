"""Times in SQLAlchemy Core statements."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def seconds(column: Any) -> Any:
    """A timestamp as seconds since the epoch, 0 where it is null."""
    return sa.cast(sa.func.coalesce(sa.extract("epoch", column), 0), sa.Float(53))


def now(schema: str) -> Any:
    """The store's present: cell_now()."""
    return getattr(sa.func, schema).cell_now()
