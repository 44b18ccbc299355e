"""Who protected and who deleted a clip, and why."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns and what retention walks along."""
    run_sql("0005_keeping.sql")
