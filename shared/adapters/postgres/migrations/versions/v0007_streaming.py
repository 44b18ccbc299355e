"""Where a clip's parts were, for players that ask for it piece by piece after the parts are gone."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column."""
    run_sql("0007_streaming.sql")
