"""Cameras that are made while everything runs. An older process can go on meanwhile."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import Kind, Touch, run_sql

revision = "0008"
down_revision = "0007"
kind = Kind.EXPAND
touches: tuple[Touch, ...] = ()


def upgrade() -> None:
    """Make the table."""
    run_sql("0008_made_cameras.sql")
