"""Ids of detections that are their camera's own."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the camera part of the key."""
    run_sql("0013_ids_of_cameras.sql")
