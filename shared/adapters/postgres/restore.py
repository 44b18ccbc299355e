"""Loads a backup into an empty database: all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from shared.adapters.postgres.backup import sequences_of, tables_of
from shared.adapters.postgres.database import Connection, connect, kinds
from shared.adapters.postgres.migrate import migration
from shared.adapters.postgres.schema import SCHEMA_VERSION, current_version, newer
from shared.domain.errors import Conflict, Permanent
from shared.domain.ports import Load, LoadedTable
from shared.domain.timing import from_ms

# What a deployment without any footage writes by itself.
OWN_ROWS = frozenset(
    {"deployment", "jobs", "check_suspects", "camera_news", "invitations", "plate_list_revision"}
)
Loaded = Callable[[str, int], None]
"""Told how many rows of a table are loaded."""
_LOCK_SECONDS: LiteralString = "SET lock_timeout = '10s'"


def refusal(url: str, load_schema: str) -> tuple[str | None, UUID | None]:
    """Returns why a backup of that schema cannot be loaded into a database (None: it can), and the
    id of the empty deployment that is there, if any.
    """
    if newer(load_schema):
        return (
            f"the backup is of schema {load_schema}, newer than this version's {SCHEMA_VERSION}",
            None,
        )
    current = current_version(url)
    if current is None:
        with _opened(url) as connection:
            tables = tables_of(connection)
        wrong = f"it has a table {tables[0].name}, and no schema of Platereel" if tables else None
        return wrong, None
    if current != load_schema:
        wrong = (
            f"it has schema {current} already, and the backup is of {load_schema}: make the database anew and do "
            "not run `platereel migrate` in it, restoring does that"
        )
        return wrong, None
    with _opened(url) as connection:
        return _occupied(connection), _deployment(connection)


def load(url: str, backup: Load, progress: Loaded = lambda *_: None) -> list[str]:
    """Migrate an empty database to the backup's version, load it, and migrate on to this version's.

    Raises Conflict where the database is not empty. Whatever ends it before the commit leaves the
    database as it was. Returns the tables of the backup that Platereel does not have: those are not
    loaded.
    """
    with kinds(), migration(url) as moving:
        moving.to(backup.schema)
        connection = moving.rows()
        here = {table.name for table in tables_of(connection)}
        _clear(connection, sorted(here))
        for table in backup.tables:
            if table.name in here:
                _load_table(connection, table, progress)
        _count_on(connection, backup)
        moving.to("head")
        moving.rows().execute(
            """
            UPDATE deployment SET restored_at = now(), restored_from = %(made)s,
                   backed_up_at = greatest(backed_up_at, %(made)s)
            """,
            {"made": from_ms(backup.made_ms)},
        )
    return [table.name for table in backup.tables if table.name not in here]


def _count_on(connection: Connection, backup: Load) -> None:
    for row in sequences_of(connection):
        if row["name"] in backup.sequences:
            connection.execute(
                "SELECT setval(%s::regclass, %s)",
                [row["sequence"], backup.sequences[row["name"]]],
            )


@contextmanager
def _opened(url: str) -> Iterator[Connection]:
    with kinds(), connect(url) as connection:
        yield connection


def _occupied(connection: Connection) -> str | None:
    """Returns what is in a database that should be empty, None where nothing is."""
    for table in tables_of(connection):
        if table.name not in OWN_ROWS:
            statement = sql.SQL("SELECT FROM public.{} LIMIT 1").format(sql.Identifier(table.name))
            if connection.execute(statement).rowcount:
                return f"it is not empty: {table.name} has rows"
    return None


def _deployment(connection: Connection) -> UUID | None:
    row = connection.execute("SELECT id FROM deployment").fetchone()
    return None if row is None else UUID(str(row["id"]))


def _clear(connection: Connection, tables: list[str]) -> None:
    """Lock all tables against everybody, see that they are empty, and remove what the deployment
    wrote by itself.
    """
    names = sql.SQL(", ").join(sql.Identifier("public", name) for name in tables)
    connection.execute(_LOCK_SECONDS)
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
    wrong = _occupied(connection)
    if wrong is not None:
        raise Conflict(f"the database cannot take a backup: {wrong}")
    connection.execute(sql.SQL("TRUNCATE {}").format(names))


def _load_table(connection: Connection, table: LoadedTable, progress: Loaded) -> None:
    """Load a table's rows as they are: its triggers, which count and name, saw them before."""
    name = sql.Identifier("public", table.name)
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
    loaded = 0
    cursor = connection.cursor()
    try:
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)) as copy:
            for piece in table.rows():
                copy.write(piece)
                loaded += piece.count(b"\n")
                progress(table.name, loaded)
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
        raise Permanent(
            f"the backup's table {table.name} cannot be loaded: {type(error).__name__}"
        ) from None
    if cursor.rowcount != table.count:
        raise Permanent(f"the backup's table {table.name} has {cursor.rowcount} rows, not {table.count}")  # fmt: skip
    connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(name))
