"""Passes, lists of plates, and what was told of cameras.

An older process can go on meanwhile: its detections are of no pass.
"""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make tables, columns, indexes and triggers."""
    for part in ("passes", "lists", "cameras", "access"):
        run_sql(f"0002_{part}.sql")
