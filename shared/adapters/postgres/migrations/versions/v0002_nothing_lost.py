"""What reliability needs to remember: early closes, repairs, parked parts."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns and ways."""
    run_sql("0002_nothing_lost.sql")
