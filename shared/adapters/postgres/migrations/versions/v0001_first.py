"""The first schema: segments, parts, detections, counters, jobs, outbox."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL file as it is: by the driver's own cursor, which leaves a percent sign alone."""
    statements = Path(__file__).with_name("0001_first.sql").read_text(encoding="utf-8")
    cursor = op.get_bind().connection.cursor()
    try:
        cursor.execute(statements)
    finally:
        cursor.close()
