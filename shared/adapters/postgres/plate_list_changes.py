"""The lists as dispatchers follow them."""

from __future__ import annotations

from uuid import UUID

from shared.adapters.postgres.database import Database, as_uuids
from shared.adapters.postgres.ear import Ear
from shared.adapters.postgres.plate_list_rows import (
    ENTRY,
    LIST,
    LISTS_CHANGED,
    entry_of_row,
    list_of_row,
)
from shared.domain.errors import NotFound
from shared.domain.plate_lists import ListEntry, PlateList


class PostgresPlateListChanges:
    """Implements the port `PlateListChanges`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ear = Ear(database.url, LISTS_CHANGED)

    def now(self) -> tuple[int, int]:
        row = self._database.fetch_one(
            "SELECT revision, (SELECT count(*) FROM plate_list_entries) AS entries FROM plate_list_revision"
        )
        if row is None:
            raise NotFound("the database has lost the revision of its lists")
        return int(row["revision"]), int(row["entries"])

    def lists(self) -> list[PlateList]:
        return [
            list_of_row(row) for row in self._database.fetch(f"SELECT {LIST} FROM plate_lists l")
        ]

    def changed(self, after: tuple[int, UUID], limit: int) -> list[tuple[int, ListEntry]]:
        rows = self._database.fetch(
            f"""
            SELECT revision, {ENTRY} FROM plate_list_entries WHERE (revision, id) > (%s, %s)
             ORDER BY revision, id LIMIT %s
            """,
            *after,
            limit,
        )
        return [(row["revision"], entry_of_row(row)) for row in rows]

    def removed(self, after: int, limit: int) -> list[UUID]:
        rows = self._database.fetch(
            "SELECT entry_id FROM plate_list_removals WHERE revision > %s LIMIT %s", after, limit
        )
        return as_uuids(rows, "entry_id")

    def entry_ids(self, after: UUID, limit: int) -> list[UUID]:
        rows = self._database.fetch(
            "SELECT id FROM plate_list_entries WHERE id > %s ORDER BY id LIMIT %s", after, limit
        )
        return as_uuids(rows)

    def wait(self, timeout_s: float) -> bool:
        return self._ear.wait(timeout_s)

    def close(self) -> None:
        """Close the listening connection."""
        self._ear.close()
