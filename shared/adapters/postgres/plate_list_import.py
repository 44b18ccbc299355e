"""Many entries at once: copied beside the list, compared with it there, and added together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.plate_list_rows import SETTINGS
from shared.domain.plate_lists import EntrySettings
from shared.domain.ports.plate_lists import Imported, Overlap

SHOWN = 5
# What is copied has the key that the list's own column has, so that both are compared by it.
_STAGE: LiteralString = """
    CREATE TEMPORARY TABLE imported (LIKE plate_list_entries INCLUDING GENERATED) ON COMMIT DROP;
    ALTER TABLE imported ALTER id DROP NOT NULL, ALTER list_id DROP NOT NULL, ALTER revision DROP NOT NULL
"""
_SAME: LiteralString = """
    (e.plate, e.tolerance, e.name, e.note, e.reason, e.priority, e.instructions, e.cameras, e.valid_from, e.valid_until,
     e.hours) IS NOT DISTINCT FROM
    (i.plate, i.tolerance, i.name, i.note, i.reason, i.priority, i.instructions, i.cameras, i.valid_from, i.valid_until,
     i.hours)
"""


def import_entries(
    connection: Connection, list_id: UUID, entries: Sequence[EntrySettings], revision: int | None
) -> Imported:
    """Add entries that a list lacks and change those that differ, in the caller's transaction.

    revision: the one that this makes; None: nothing is changed, only counted. Each plate is in
    `entries` once.
    """
    connection.execute(_STAGE)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY imported ({SETTINGS}) FROM STDIN") as copy,
    ):
        for each in entries:
            copy.write_row(_row(each))
    connection.execute("ANALYZE imported")
    counts = connection.execute(
        f"""
        SELECT count(*) FILTER (WHERE e.id IS NULL) AS added,
               count(*) FILTER (WHERE e.id IS NOT NULL AND NOT ({_SAME})) AS changed,
               count(*) FILTER (WHERE e.id IS NOT NULL AND {_SAME}) AS unchanged
          FROM imported i LEFT JOIN plate_list_entries e ON e.list_id = %s AND e.plate_key = i.plate_key
        """,
        [list_id],
    ).fetchone()
    done = Imported(**(counts or {}), overlaps=_overlaps(connection, list_id))
    if revision is not None:
        _merge(connection, list_id, revision)
    return done


def _row(entry: EntrySettings) -> tuple[object, ...]:
    """Returns the values in the order of SETTINGS."""
    return (
        entry.plate,
        entry.tolerance,
        entry.name,
        entry.note,
        entry.reason,
        entry.priority,
        entry.instructions,
        None if entry.cameras is None else list(entry.cameras),
        entry.valid_from,
        entry.valid_until,
        entry.hours,
    )


def _merge(connection: Connection, list_id: UUID, revision: int) -> None:
    """What is as it was keeps its revision, so that no dispatcher reads it again."""
    connection.execute(
        f"""
        INSERT INTO plate_list_entries AS e (list_id, revision, {SETTINGS})
        SELECT %(list)s, %(revision)s, {SETTINGS} FROM imported i
         WHERE NOT EXISTS (SELECT FROM plate_list_entries e
                            WHERE e.list_id = %(list)s AND e.plate_key = i.plate_key AND {_SAME})
        ON CONFLICT (list_id, plate_key) DO UPDATE SET revision = excluded.revision, plate = excluded.plate,
               tolerance = excluded.tolerance, name = excluded.name, note = excluded.note, reason = excluded.reason,
               priority = excluded.priority, instructions = excluded.instructions, cameras = excluded.cameras,
               valid_from = excluded.valid_from, valid_until = excluded.valid_until, hours = excluded.hours
        """,
        {"list": list_id, "revision": revision},
    )


def _overlaps(connection: Connection, list_id: UUID) -> list[Overlap]:
    """Returns the other lists that have some of the plates, by name."""
    rows = connection.execute(
        f"""
        SELECT l.name, l.kind, count(*)::int AS entries,
               (array_agg(i.plate ORDER BY i.plate_key))[1:{SHOWN}] AS plates
          FROM imported i JOIN plate_list_entries e USING (plate_key) JOIN plate_lists l ON l.id = e.list_id
         WHERE e.list_id <> %s GROUP BY l.id ORDER BY l.name
        """,
        [list_id],
    ).fetchall()
    return [Overlap(**row) for row in rows]
