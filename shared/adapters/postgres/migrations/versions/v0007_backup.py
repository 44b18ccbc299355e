"""Backups, and the oldest code that a schema takes.

An older process can go on meanwhile.
"""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import Kind, Touch, Wait, run_sql

revision = "0007"
down_revision = "0005"
kind = Kind.EXPAND
touches: tuple[Touch, ...] = (
    Touch(table="jobs", wait=Wait.ALL, reads=1),
    Touch(table="deployment", wait=Wait.ALL),
)


def upgrade() -> None:
    """Allow a kind of job, and add columns to the deployment's row."""
    run_sql("0007_backup.sql")
