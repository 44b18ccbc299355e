"""Invitations: links that each make one key. An older process can go on meanwhile."""

from __future__ import annotations

from shared.adapters.postgres.migrations.statements import Kind, Touch, Wait, run_sql

revision = "0004"
down_revision = "0003"
kind = Kind.EXPAND
touches: tuple[Touch, ...] = (Touch(table="api_keys", wait=Wait.WRITERS),)


def upgrade() -> None:
    """Make the table."""
    run_sql("0004_invitations.sql")
