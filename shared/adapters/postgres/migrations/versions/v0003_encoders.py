"""The encoder of a recording."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column."""
    run_sql("0003_encoders.sql")
