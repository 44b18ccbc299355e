"""The first schema. From here on a version expands (new columns, both codes run) or contracts (old
columns go).
"""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import Kind, Touch, run_sql

revision = "0001"
down_revision = None
kind = Kind.EXPAND
touches: tuple[Touch, ...] = ()


def upgrade() -> None:
    """Make extensions, tables, indexes, views and triggers."""
    for part in ("segments", "detections", "counters", "access", "jobs", "events"):
        run_sql(f"0001_{part}.sql")
