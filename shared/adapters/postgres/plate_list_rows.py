"""What all statements about lists of plates share: columns, and the values they become."""

from __future__ import annotations

from typing import LiteralString

from psycopg.rows import DictRow

from shared.domain.plate_lists import IgnoredReads, ListEntry, ListKind, PlateList

LISTS_CHANGED: LiteralString = "platereel_lists"
LIST: LiteralString = """
    l.id AS list_id, l.name, l.kind, l.reads, l.hit_days, l.quiet_hours, l.cool_down_seconds, l.cameras, l.time_zone,
    l.created_at, l.updated_at
"""
SETTINGS: LiteralString = """
    plate, tolerance, name, note, reason, priority, instructions, cameras, valid_from, valid_until, hours
"""
ENTRY: LiteralString = f"id AS entry_id, list_id, {SETTINGS}"


def list_of_row(row: DictRow) -> PlateList:
    """Returns the list in a row of LIST, perhaps with the number of its entries."""
    return PlateList(**{**row, "kind": ListKind(row["kind"]), "reads": IgnoredReads(row["reads"])})


def entry_of_row(row: DictRow) -> ListEntry:
    """Returns the entry in a row that begins with ENTRY's columns."""
    return ListEntry(
        entry_id=row["entry_id"],
        list_id=row["list_id"],
        plate=row["plate"],
        tolerance=row["tolerance"],
        name=row["name"],
        note=row["note"],
        reason=row["reason"],
        priority=row["priority"],
        instructions=row["instructions"],
        cameras=row["cameras"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        hours=row["hours"],
    )


def like_of(key: str) -> str:
    """Returns a plate's key with * and ? as a pattern of LIKE."""
    escaped = key.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")
