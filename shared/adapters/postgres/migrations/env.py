"""Run by Alembic: hands it the connection that `migrate` opened."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection, text


def _note(ctx: Any, step: Any, heads: object, run_args: object) -> None:  # noqa: ARG001 - given by name
    """Write down which code may use the schema from now on, where a version contracts."""
    usable_from = getattr(step.up_revision.module, "usable_from", None)
    if usable_from is not None:
        connection: Connection = ctx.connection
        connection.execute(
            text("UPDATE deployment SET usable_from = :version"), {"version": usable_from}
        )


context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,
    on_version_apply=_note,
)
with context.begin_transaction():
    context.run_migrations()
