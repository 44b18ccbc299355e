"""What late detections need, lanes of webhooks, and indexes for purging."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add columns and indexes."""
    run_sql("0010_late.sql")
