"""Reads the whole database as it is at one moment, table after table.

One transaction of isolation REPEATABLE READ sees all tables at the same moment while others write,
and locks nobody out. COPY needs no other program, and what it writes any version of Postgres reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection, Database, connect, kinds
from shared.domain.backup import Restored
from shared.domain.errors import Conflict
from shared.domain.ports import BackedUpTable
from shared.domain.timing import from_ms

VERSIONS = "alembic_version"  # of the migrations: the manifest has it, and migrating writes it
# A piece is compressed, and a disk may make that wait; nobody is locked out meanwhile.
_PATIENT: LiteralString = (
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = '15min'"
)
_TABLES: LiteralString = """
    SELECT c.relname AS name, greatest(c.reltuples, 0)::bigint AS about_rows,
           array_agg(a.attname::text ORDER BY a.attnum) AS columns
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> %s
       AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
     GROUP BY c.relname, c.reltuples ORDER BY c.relname
"""
_REFERENCES: LiteralString = """
    SELECT DISTINCT f.relname AS from_table, t.relname AS to_table
      FROM pg_constraint k JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
     WHERE k.contype = 'f' AND f.relnamespace = 'public'::regnamespace AND k.conrelid <> k.confrelid
"""
_SEQUENCES: LiteralString = """
    SELECT t.relname || '.' || a.attname AS name, format('%I.%I', n.nspname, s.relname) AS sequence,
           pg_sequence_last_value(s.oid) AS last
      FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
      JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i')
      JOIN pg_class t ON t.oid = d.refobjid
      JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
     WHERE s.relkind = 'S' AND n.nspname = 'public' ORDER BY 1
"""


def tables_of(connection: Connection) -> list[BackedUpTable]:
    """Returns all tables, each after those that it refers to."""
    rows = {row["name"]: row for row in connection.execute(_TABLES, [VERSIONS])}
    order: TopologicalSorter[str] = TopologicalSorter({name: set() for name in sorted(rows)})
    for each in connection.execute(_REFERENCES):
        if each["to_table"] in rows:
            order.add(each["from_table"], each["to_table"])
    return [
        BackedUpTable(name=name, columns=tuple(rows[name]["columns"]), about_rows=rows[name]["about_rows"])
        for name in order.static_order()
        if name in rows
    ]  # fmt: skip


def sequences_of(connection: Connection) -> list[DictRow]:
    """Returns each counted column (`table.column`) with its sequence and the last number."""
    return connection.execute(_SEQUENCES).fetchall()


class PostgresSnapshot:
    """Implements the port `Snapshot` over a transaction that has begun."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        row = connection.execute(
            f"""
            SELECT d.id, (SELECT version_num FROM {VERSIONS}) AS schema,
                   (extract(epoch FROM now()) * 1000)::bigint AS now FROM deployment d
            """
        ).fetchone()
        if row is None:
            raise Conflict("the database has no deployment: is it Platereel's?")
        self.schema = str(row["schema"])
        self.deployment = UUID(str(row["id"]))
        self.made_ms = int(row["now"])
        self.tables: Sequence[BackedUpTable] = tables_of(connection)

    def rows(self, table: BackedUpTable) -> Iterator[bytes]:
        statement = sql.SQL("COPY public.{} ({}) TO STDOUT").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
        )
        with kinds(), self._connection.cursor().copy(statement) as copy:
            for piece in copy:
                yield bytes(piece)

    def sequences(self) -> Mapping[str, int]:
        with kinds():
            found = sequences_of(self._connection)
        return {row["name"]: row["last"] for row in found if row["last"] is not None}


class PostgresBackupRows:
    """Implements the port `BackupRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSnapshot]:
        """On a connection of its own: the pool's end a transaction after 20 s."""
        with kinds(), connect(self._database.url, autocommit=True) as connection:
            connection.execute(_PATIENT)
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresSnapshot(connection)
            connection.execute("COMMIT")

    def note(self, made_ms: int) -> None:
        """A schema that is older than backups has no place for it."""
        row = self._database.fetch_one(
            "SELECT to_jsonb(d) ? 'backed_up_at' AS has FROM deployment d"
        )
        if row is None or not row["has"]:
            return
        self._database.execute(
            "UPDATE deployment SET backed_up_at = greatest(backed_up_at, %s)", from_ms(made_ms)
        )

    def last_ms(self) -> int | None:
        row = self._database.fetch_one(
            "SELECT (extract(epoch FROM backed_up_at) * 1000)::bigint AS made FROM deployment"
        )
        return None if row is None or row["made"] is None else int(row["made"])

    def restored(self) -> Restored | None:
        row = self._database.fetch_one(
            """
            SELECT (extract(epoch FROM restored_from) * 1000)::bigint AS from_ms,
                   (extract(epoch FROM restored_at) * 1000)::bigint AS at_ms
              FROM deployment WHERE restored_at IS NOT NULL
            """
        )
        return None if row is None else Restored(from_ms=row["from_ms"], at_ms=row["at_ms"])
