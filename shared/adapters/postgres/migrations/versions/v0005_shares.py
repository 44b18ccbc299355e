"""Shares: links that each show one clip. An older process can go on meanwhile."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import Kind, Touch, Wait, run_sql

revision = "0005"
down_revision = "0004"
kind = Kind.EXPAND
touches: tuple[Touch, ...] = (Touch(table="video_segments", wait=Wait.WRITERS),)


def upgrade() -> None:
    """Make the table."""
    run_sql("0005_shares.sql")
