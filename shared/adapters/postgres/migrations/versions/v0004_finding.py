"""What finding and statistics need: plates by segment, counters by status, indexes."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add tables, triggers and indexes, and fill them from the rows there are."""
    run_sql("0004_finding.sql")
