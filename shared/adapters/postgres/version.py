"""Which schema this code was written for, and a refusal of any other."""

from __future__ import annotations

from shared.adapters.postgres.database import connect, kinds
from shared.domain.errors import Retryable

SCHEMA_VERSION = "0013"


def current_version(url: str) -> str | None:
    """The database's version, None when it has no schema. Raises Retryable when it does not answer."""
    with kinds(), connect(url) as connection:
        found = connection.execute("SELECT to_regclass('public.alembic_version') AS name").fetchone()
        if found is None or found["name"] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row["version_num"])


def require_version(url: str) -> None:
    """Raise Retryable while the schema is not this code's: a migration may be on its way."""
    current = current_version(url)
    if current != SCHEMA_VERSION:
        raise Retryable(
            f"the database schema is {current or 'empty'}, this is {SCHEMA_VERSION}: run `platereel migrate`",
            current=current,
            wanted=SCHEMA_VERSION,
        )
