"""The shape of a clip's pixels."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column."""
    run_sql("0012_pixel_aspect.sql")
