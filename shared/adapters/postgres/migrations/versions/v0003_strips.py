"""Strips of clips.

An older process can go on meanwhile: its clips have none.
"""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import Kind, Touch, Wait, run_sql

revision = "0003"
down_revision = "0002"
kind = Kind.EXPAND
touches: tuple[Touch, ...] = (Touch(table="video_segments", wait=Wait.ALL, reads=1),)


def upgrade() -> None:
    """Make columns and an index, and the view that shows them."""
    run_sql("0003_strips.sql")
