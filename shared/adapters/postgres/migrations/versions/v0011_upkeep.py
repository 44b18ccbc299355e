"""Upkeep in steps."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add columns, a table and indexes."""
    run_sql("0011_upkeep.sql")
