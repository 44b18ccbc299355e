"""The first schema: segments, parts, detections, counters, jobs, outbox."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    run_sql("0001_first.sql")
