"""What a migration would do to a database, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import LiteralString

from alembic.script import ScriptDirectory
from psycopg import sql

from shared.adapters.postgres.database import Connection, connect, kinds
from shared.adapters.postgres.migrate import alembic_config
from shared.adapters.postgres.migrations.statements import Kind, Wait
from shared.adapters.postgres.schema import SCHEMA_VERSION, current_schema, expanded, no_way_back
from shared.domain.errors import Permanent

SMALL_PAGES = 1_000  # up to 8 MB: counted; of larger tables the server's own estimate is told
_SIZE: LiteralString = """
    SELECT reltuples::bigint AS about, relpages AS pages FROM pg_class
     WHERE oid = to_regclass('public.' || quote_ident(%s))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTable:
    """A table that a step touches. waits: who waits for it meanwhile; rows: how many it has;
    read: how many rows are read of it, rewritten: written anew.
    """

    table: str
    waits: Wait
    rows: int
    read: int
    rewritten: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One version. usable_from: of one that contracts, the oldest version whose code can go on."""

    version: str
    kind: Kind
    what: str
    usable_from: str | None
    tables: tuple[PlannedTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """The steps from a database's version (None: it has no schema) to this program's."""

    before: str | None
    after: str
    newer: bool
    steps: tuple[PlannedStep, ...]


def plan(url: str) -> MigrationPlan:
    """Returns what `migrate` would do. Raises Permanent where it would refuse."""
    schema = current_schema(url)
    before = None if schema is None else schema.version
    if before is not None and expanded(schema):
        return MigrationPlan(before=before, after=before, newer=True, steps=())
    refusal = no_way_back(before)
    if refusal is not None:
        raise Permanent(refusal, current=before, wanted=SCHEMA_VERSION)
    script = ScriptDirectory.from_config(alembic_config())
    modules = [each.module for each in script.walk_revisions()]
    outstanding = [each for each in reversed(modules) if before is None or each.revision > before]
    with kinds(), connect(url) as connection:
        steps = tuple(_step(connection, each) for each in outstanding)
    return MigrationPlan(before=before, after=SCHEMA_VERSION, newer=False, steps=steps)


def _step(connection: Connection, module: ModuleType) -> PlannedStep:
    tables = []
    for touch in module.touches:
        rows = _rows(connection, touch.table)
        tables.append(
            PlannedTable(
                table=touch.table,
                waits=touch.wait,
                rows=rows,
                read=rows * touch.reads,
                rewritten=rows if touch.rewrites else 0,
            )
        )
    return PlannedStep(
        version=module.revision,
        kind=module.kind,
        what=(module.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
        usable_from=getattr(module, "usable_from", None),
        tables=tuple(tables),
    )


def _rows(connection: Connection, table: str) -> int:
    """Returns about how many rows a table has; 0 for one that an earlier step will make."""
    size = connection.execute(_SIZE, [table]).fetchone()
    if size is None:
        return 0
    if size["about"] > 0 and size["pages"] > SMALL_PAGES:
        return int(size["about"])
    counted = connection.execute(
        sql.SQL("SELECT count(*) AS rows FROM public.{}").format(sql.Identifier(table))
    ).fetchone()
    return 0 if counted is None else int(counted["rows"])
