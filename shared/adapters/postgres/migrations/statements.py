"""Runs a version's SQL file."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def run_sql(name: str) -> None:
    """Run the SQL file as it is: by the driver's own cursor, which leaves a percent sign alone."""
    statements = Path(__file__).with_name("versions").joinpath(name).read_text(encoding="utf-8")
    cursor = op.get_bind().connection.cursor()
    try:
        cursor.execute(statements)
    finally:
        cursor.close()
