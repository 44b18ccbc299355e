"""Passes, lists of plates, and what was told of cameras.

An older process can go on meanwhile: its detections are of no pass.
"""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import Kind, Touch, Wait, run_sql

revision = "0002"
down_revision = "0001"
kind = Kind.EXPAND
touches: tuple[Touch, ...] = (
    Touch(table="detections", wait=Wait.ALL, reads=11),
    Touch(table="video_segments", wait=Wait.WRITERS, reads=1),
    Touch(table="segment_plates", wait=Wait.ALL),
    Touch(table="access_log", wait=Wait.ALL, reads=3),
    Touch(table="api_keys", wait=Wait.ALL),
    Touch(table="sessions", wait=Wait.ALL),
)


def upgrade() -> None:
    """Make tables, columns, indexes and triggers."""
    for part in ("passes", "lists", "cameras", "access"):
        run_sql(f"0002_{part}.sql")
