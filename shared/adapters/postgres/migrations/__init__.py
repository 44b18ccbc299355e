"""Alembic environment; every version is a plain SQL file beside its revision."""
