"""Which schema this code needs. Any other is refused."""

from __future__ import annotations

import re

from shared.adapters.postgres.database import connect, kinds
from shared.domain.errors import Retryable

SCHEMA_VERSION = "0002"
_NUMBER = re.compile(r"[0-9]{4}")


def current_version(url: str) -> str | None:
    """Returns the database's version, None when it has no schema.

    Raises Retryable when it does not answer.
    """
    with kinds(), connect(url) as connection:
        found = connection.execute(
            "SELECT to_regclass('public.alembic_version') AS name"
        ).fetchone()
        if found is None or found["name"] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row["version_num"])


def no_way_back(current: str | None) -> str | None:
    """Returns why no migration of this code leads from that version to its own; None where one
    does.
    """
    if current is None or (_NUMBER.fullmatch(current) and current <= SCHEMA_VERSION):
        return None
    if _NUMBER.fullmatch(current):
        return (
            f"the database schema is {current}, newer than this version's {SCHEMA_VERSION}: use the version of "
            "Platereel that brought it there, or the backup from before (a database that a checkout before "
            "0.1.0 made must be made anew)"
        )
    return f"the database schema is {current!r}, which no version of Platereel makes: is it another program's database?"


def mismatch(current: str | None) -> str | None:
    """Returns what is wrong with a database of that version, and what helps; None where it is this
    code's.
    """
    if current == SCHEMA_VERSION:
        return None
    if current is None:
        return f"the database has no schema, wanted is {SCHEMA_VERSION}: run `platereel migrate`"
    return no_way_back(current) or (
        f"the database schema is {current}, older than this version's {SCHEMA_VERSION}: run `platereel migrate`"
    )


def require_version(url: str) -> None:
    """Raise Retryable while the schema is not this code's: a migration, or a newer process, may be
    on its way.
    """
    current = current_version(url)
    wrong = mismatch(current)
    if wrong is not None:
        raise Retryable(wrong, current=current, wanted=SCHEMA_VERSION)
