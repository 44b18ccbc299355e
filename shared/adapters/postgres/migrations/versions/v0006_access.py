"""API keys and the page's sessions."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the tables."""
    run_sql("0006_access.sql")
