"""Deliveries of events to webhooks."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table."""
    run_sql("0009_webhooks.sql")
