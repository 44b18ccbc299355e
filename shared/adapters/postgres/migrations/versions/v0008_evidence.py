"""The deployment's signing key, where the settings give none."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column."""
    run_sql("0008_evidence.sql")
