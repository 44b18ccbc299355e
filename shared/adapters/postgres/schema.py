"""Which schemas this code can use: its own, and newer ones that only expanded since.

A migration that expands adds what older code does not look at. One that contracts takes away what
code before a certain version needs; `deployment.usable_from` then names that version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.adapters.postgres.database import connect, kinds
from shared.domain.errors import Retryable

SCHEMA_VERSION = "0008"
_NUMBER = re.compile(r"[0-9]{4}")


@dataclass(frozen=True, slots=True)
class Schema:
    """A database's version, and the oldest one whose code may use it (None: it does not say)."""

    version: str
    usable_from: str | None = None


def current_schema(url: str) -> Schema | None:
    """Returns the database's schema, None when it has none.

    Raises Retryable when it does not answer.
    """
    with kinds(), connect(url) as connection:
        found = connection.execute(
            "SELECT to_regclass('public.alembic_version') AS versions, to_regclass('public.deployment') AS row"
        ).fetchone()
        if found is None or found["versions"] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        if row is None:
            return None
        told = (
            None
            if found["row"] is None
            else connection.execute(
                "SELECT to_jsonb(d)->>'usable_from' AS usable FROM deployment d"
            ).fetchone()
        )
        return Schema(str(row["version_num"]), None if told is None else told["usable"])


def current_version(url: str) -> str | None:
    """Returns the database's version, None when it has no schema."""
    schema = current_schema(url)
    return None if schema is None else schema.version


def newer(version: str) -> bool:
    """Returns whether that version comes after this code's."""
    return _NUMBER.fullmatch(version) is not None and version > SCHEMA_VERSION


def expanded(schema: Schema | None) -> bool:
    """Returns whether a schema is newer than this code's, and only expanded since."""
    return (
        schema is not None
        and newer(schema.version)
        and schema.usable_from is not None
        and schema.usable_from <= SCHEMA_VERSION
    )


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


def mismatch(schema: Schema | None) -> str | None:
    """Returns what is wrong with a database of that schema, and what helps; None where this code
    can use it.
    """
    if schema is None:
        return f"the database has no schema, wanted is {SCHEMA_VERSION}: run `platereel migrate`"
    if schema.version == SCHEMA_VERSION or expanded(schema):
        return None
    return no_way_back(schema.version) or (
        f"the database schema is {schema.version}, older than this version's {SCHEMA_VERSION}: run `platereel migrate`"
    )


def require_version(url: str) -> None:
    """Raise Retryable while this code cannot use the schema: a migration, or a newer process, may
    be on its way.
    """
    schema = current_schema(url)
    wrong = mismatch(schema)
    if wrong is not None:
        raise Retryable(
            wrong, current=None if schema is None else schema.version, wanted=SCHEMA_VERSION
        )
