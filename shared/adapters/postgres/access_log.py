"""Rows of the access log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection, Database
from shared.domain.access import AccessEntry, AccessFilter
from shared.domain.plates import plate_key
from shared.domain.purpose import stated
from shared.domain.timing import from_ms

_CONDITIONS: Mapping[str, LiteralString] = {
    "before": "id < %(before)s",
    "who": "who = %(who)s",
    "action": "action = %(action)s",
    "segment_id": "segment_id = %(segment_id)s",
    "purpose": "strpos(lower(purpose), lower(%(purpose)s)) > 0",
    "case": "case_number = %(case)s",
    "plate": "details ? 'plate' AND translate(upper(details->>'plate'), ' -._/·•', '') = %(plate)s",
    "from": "at >= %(from)s",
    "to": "at < %(to)s",
}


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def log_access(
    connection: Connection,
    who: str,
    action: str,
    segment_id: UUID | None,
    details: Mapping[str, Any],
) -> None:
    """Write a line in the caller's transaction, with the purpose that is stated. No word of it is
    refused: what the database cannot store, such as a byte of a file's name, becomes an escape.
    """
    why = stated()
    told = {
        name: _storable(value) if isinstance(value, str) else value
        for name, value in details.items()
    }
    connection.execute(
        """
        INSERT INTO access_log (who, action, segment_id, details, purpose, case_number)
        VALUES (%s, %s, %s, %s, %s, %s)
        """,
        [who, action, segment_id, Jsonb(told), why.purpose, why.case],
    )


def access_log(
    database: Database, where: AccessFilter, before: int | None, limit: int
) -> list[AccessEntry]:
    """Returns lines before an id, newest first."""
    given = {
        "before": before, "who": where.who, "action": where.action, "segment_id": where.segment_id,
        "purpose": where.purpose, "case": where.case,
        "plate": None if where.plate is None else plate_key(where.plate),
        "from": None if where.from_ms is None else from_ms(where.from_ms),
        "to": None if where.to_ms is None else from_ms(where.to_ms),
    }  # fmt: skip
    conditions = [_CONDITIONS[name] for name, value in given.items() if value is not None]
    chosen: LiteralString = " AND ".join(conditions) or "true"
    rows = database.fetch(
        f"""
        SELECT id, at, who, action, segment_id, purpose, case_number AS "case", details FROM access_log
         WHERE {chosen} ORDER BY id DESC LIMIT %(limit)s
        """,
        {**given, "limit": limit},
    )
    return [AccessEntry(**row) for row in rows]
