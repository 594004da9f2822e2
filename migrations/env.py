"""Alembic's entry: runs the revisions on the connection that omegacell.migrations hands over."""

from __future__ import annotations

from alembic import context

from omegacell.cellstate.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=context.config.attributes["schema"],
    transactional_ddl=True,
)
context.run_migrations()
