"""The first schema: segments, parts, detections, counters, jobs, outbox."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL file as it is."""
    op.get_bind().exec_driver_sql(Path(__file__).with_name("0001_first.sql").read_text(encoding="utf-8"))
