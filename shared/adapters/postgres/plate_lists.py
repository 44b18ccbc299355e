"""Rows of lists of plates, as people change them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.sql import SQL, Identifier, Placeholder

from shared.adapters.postgres.access_log import log_access
from shared.adapters.postgres.database import Connection, Database
from shared.adapters.postgres.plate_list_import import import_entries
from shared.adapters.postgres.plate_list_rows import (
    ENTRY,
    LIST,
    LISTS_CHANGED,
    entry_of_row,
    like_of,
    list_of_row,
)
from shared.adapters.postgres.plate_sightings import holding, seen
from shared.domain.errors import BadInput, Conflict, NotFound
from shared.domain.plate_lists import EntrySettings, ListEntry, ListSettings, PlateList
from shared.domain.plates import plate_key
from shared.domain.ports.plate_lists import EntryPage, Imported, Overlap, Seen

READ_AT_ONCE = 1000
_COUNTED: LiteralString = f"""
    SELECT {LIST}, (SELECT count(*) FROM plate_list_entries e WHERE e.list_id = l.id)::int AS entries
      FROM plate_lists l
"""
_LIST_COLUMNS = frozenset(ListSettings.__dataclass_fields__) - {"name", "kind"}
_ENTRY_COLUMNS = frozenset(EntrySettings.__dataclass_fields__) - {"plate"}


class PostgresPlateListRows:
    """Implements the port `PlateListRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, settings: ListSettings, who: str) -> PlateList:
        with self._changing(who, "list.create", asdict(settings)) as (connection, _):
            try:
                row = connection.execute(
                    f"""
                    INSERT INTO plate_lists AS l (name, kind, reads, hit_days, quiet_hours, cool_down_seconds,
                           cameras, time_zone)
                    VALUES (%(name)s, %(kind)s, %(reads)s, %(hit_days)s, %(quiet_hours)s, %(cool_down_seconds)s,
                            %(cameras)s, %(time_zone)s) RETURNING {LIST}, 0 AS entries
                    """,
                    _stored(asdict(settings)),
                ).fetchone()
            except UniqueViolation:
                raise Conflict(f"there is a list {settings.name} already") from None
        if row is None:
            raise Conflict("the list was not stored")
        return list_of_row(row)

    def all(self) -> list[PlateList]:
        return [list_of_row(row) for row in self._database.fetch(f"{_COUNTED} ORDER BY name")]

    def get(self, name: str) -> PlateList:
        row = self._database.fetch_one(f"{_COUNTED} WHERE name = %s", name)
        if row is None:
            raise NotFound(f"there is no list {name}")
        return list_of_row(row)

    def change(self, name: str, changes: Mapping[str, Any], who: str) -> PlateList:
        """Notifies the dispatchers also where the change only concerns settings."""
        given = {column: changes[column] for column in sorted(_LIST_COLUMNS & changes.keys())}
        with self._changing(who, "list.change", {"list": name, **given}) as (connection, _):
            list_id = _list_id(connection, name)
            statement = SQL("UPDATE plate_lists SET updated_at = now(){} WHERE id = {}").format(
                _assignments(given), Placeholder("list_id")
            )
            connection.execute(statement, {**_stored(given), "list_id": list_id})
        return self.get(name)

    def delete(self, name: str, who: str) -> None:
        with self._changing(who, "list.delete", {"list": name}) as (connection, _):
            connection.execute(
                "DELETE FROM plate_lists WHERE id = %s", [_list_id(connection, name)]
            )

    def entries(self, name: str, limit: int, cursor: str | None, plate: str | None) -> EntryPage:
        given = {
            "list": self.get(name).list_id, "after": _read_cursor(cursor), "limit": limit + 1,
            "like": "%" if plate is None else like_of(plate_key(plate)),
        }  # fmt: skip
        with self._database.transaction() as connection:
            total = connection.execute(
                "SELECT count(*) AS n FROM plate_list_entries WHERE list_id = %(list)s AND plate_key LIKE %(like)s",
                given,
            ).fetchone()
            rows = connection.execute(
                f"""
                SELECT {ENTRY}, plate_key FROM plate_list_entries
                 WHERE list_id = %(list)s AND plate_key > %(after)s AND plate_key LIKE %(like)s
                 ORDER BY plate_key LIMIT %(limit)s
                """,
                given,
            ).fetchall()
        shown = rows[:limit]
        return EntryPage(
            items=[entry_of_row(row) for row in shown],
            total=0 if total is None else total["n"],
            next_cursor=_write_cursor(shown[-1]["plate_key"]) if len(rows) > limit else None,
        )

    def every_entry(self, name: str, who: str) -> Iterator[ListEntry]:
        """The line of the access log is written before the first entry is read."""
        list_id = self.get(name).list_id
        with self._database.transaction() as connection:
            log_access(
                connection=connection,
                who=who,
                action="list.export",
                segment_id=None,
                details={"list": name},
            )
        return self._every_entry(list_id)

    def _every_entry(self, list_id: UUID) -> Iterator[ListEntry]:
        after = ""
        while rows := self._database.fetch(
            f"""
            SELECT {ENTRY}, plate_key FROM plate_list_entries WHERE list_id = %s AND plate_key > %s
             ORDER BY plate_key LIMIT {READ_AT_ONCE}
            """,
            list_id,
            after,
        ):
            after = rows[-1]["plate_key"]
            yield from map(entry_of_row, rows)

    def add(self, name: str, entry: EntrySettings, who: str) -> ListEntry:
        details = {"list": name, "plate": entry.plate}
        with self._changing(who, "entry.add", details) as (connection, revision):
            row = connection.execute(
                f"""
                INSERT INTO plate_list_entries (list_id, revision, plate, tolerance, name, note, reason, priority,
                       instructions, cameras, valid_from, valid_until, hours)
                VALUES (%(list)s, %(revision)s, %(plate)s, %(tolerance)s, %(name)s, %(note)s, %(reason)s,
                        %(priority)s, %(instructions)s, %(cameras)s, %(valid_from)s, %(valid_until)s, %(hours)s)
                ON CONFLICT (list_id, plate_key) DO NOTHING RETURNING {ENTRY}
                """,
                {
                    **_stored(asdict(entry)),
                    "list": _list_id(connection, name),
                    "revision": revision,
                },
            ).fetchone()
            if row is None:
                raise Conflict(f"{entry.plate} is on the list {name} already")
        return entry_of_row(row)

    def change_entry(
        self, name: str, entry_id: UUID, changes: Mapping[str, Any], who: str
    ) -> ListEntry:
        given = {column: changes[column] for column in sorted(_ENTRY_COLUMNS & changes.keys())}
        details = {"list": name, "entry": entry_id, **given}
        with self._changing(who, "entry.change", details) as (connection, revision):
            statement = SQL(
                "UPDATE plate_list_entries SET revision = {}{} WHERE id = {} AND list_id = {} RETURNING {}"
            ).format(
                Placeholder("revision"),
                _assignments(given),
                Placeholder("id"),
                Placeholder("list"),
                SQL(ENTRY),
            )
            known = {
                "revision": revision, "id": entry_id, "list": _list_id(connection, name)
            }  # fmt: skip
            row = connection.execute(statement, {**_stored(given), **known}).fetchone()
            if row is None:
                raise NotFound(f"the list {name} has no entry {entry_id}")
        return entry_of_row(row)

    def remove(self, name: str, entry_id: UUID, who: str) -> None:
        details: dict[str, Any] = {"list": name}
        with self._changing(who, "entry.remove", details) as (connection, _):
            row = connection.execute(
                "DELETE FROM plate_list_entries WHERE id = %s AND list_id = %s RETURNING plate",
                [entry_id, _list_id(connection, name)],
            ).fetchone()
            if row is None:
                raise NotFound(f"the list {name} has no entry {entry_id}")
            details["plate"] = row["plate"]

    def entry_of(self, name: str, plate: str) -> ListEntry:
        row = self._database.fetch_one(
            f"SELECT {ENTRY} FROM plate_list_entries WHERE list_id = %s AND plate_key = %s",
            self.get(name).list_id,
            plate_key(plate),
        )
        if row is None:
            raise NotFound(f"{plate} is not on the list {name}")
        return entry_of_row(row)

    def load(
        self, name: str, entries: Sequence[EntrySettings], who: str, *, dry_run: bool
    ) -> Imported:
        if dry_run:
            with self._database.transaction() as connection:
                return import_entries(connection, _list_id(connection, name), entries, None)
        details: dict[str, Any] = {"list": name}
        with self._changing(who, "list.import", details) as (connection, revision):
            done = import_entries(connection, _list_id(connection, name), entries, revision)
            details |= {"added": done.added, "changed": done.changed}
        return done

    def holding(self, plate: str) -> list[Overlap]:
        with self._database.transaction() as connection:
            return holding(connection, plate)

    def seen(self, plate: str, tolerance: float, since: datetime, limit: int) -> Seen:
        with self._database.transaction() as connection:
            return seen(connection, plate, tolerance, since, limit)

    @contextmanager
    def _changing(
        self, who: str, action: str, details: Mapping[str, Any]
    ) -> Iterator[tuple[Connection, int]]:
        """A transaction that changes lists: yields it and the revision that it makes, then logs it
        with `details` as they are by then, and tells the dispatchers.
        """
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE plate_list_revision SET revision = revision + 1 RETURNING revision"
            ).fetchone()
            if row is None:
                raise NotFound("the database has lost the revision of its lists")
            connection.execute(
                "DELETE FROM plate_list_removals WHERE removed_at < now() - interval '1 hour'"
            )
            yield connection, int(row["revision"])
            log_access(
                connection=connection,
                who=who,
                action=action,
                segment_id=None,
                details=_told(details),
            )
            connection.execute(f"NOTIFY {LISTS_CHANGED}")


def _list_id(connection: Connection, name: str) -> UUID:
    row = connection.execute("SELECT id FROM plate_lists WHERE name = %s", [name]).fetchone()
    if row is None:
        raise NotFound(f"there is no list {name}")
    return UUID(str(row["id"]))


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns details of a line of the access log: what was given, as JSON has it."""
    return {
        name: value if isinstance(value, int | float | list | tuple) else str(value)
        for name, value in values.items()
        if value is not None
    }


def _assignments(given: Mapping[str, Any]) -> SQL | Any:
    return SQL("").join(
        SQL(", {} = {}").format(Identifier(column), Placeholder(column)) for column in given
    )


def _write_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read_cursor(cursor: str | None) -> str:
    try:
        return base64.b64decode((cursor or "").encode(), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise BadInput("cursor", "not a cursor of this list") from error
