"""What a plate with a tolerance would match: entries of the lists, and which passes lately."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.plate_list_rows import like_of
from shared.domain.plate_lists import is_wildcard
from shared.domain.plates import plate_folded, plate_key
from shared.domain.ports.plate_lists import Overlap, Seen, SeenPass

SHOWN = 5
_SHORT, _SIMILAR, _SIMILAR_SHORT = 4, "0.25", "0.1"  # of trigrams: one edit of so many characters
_DISTANCE: LiteralString = """
    (levenshtein(plate_folded, %(folded)s) * 9 + levenshtein(plate_key, %(key)s)) / 10.0::float8
"""
_NO_DISTANCE: LiteralString = "0::float8"
_NEAR: LiteralString = f"plate_folded %% %(folded)s AND {_DISTANCE} <= %(tolerance)s"
_LIKE: LiteralString = "plate_key LIKE %(like)s"
_FOLDED: LiteralString = "translate(plate_key, 'OQDILBSZG', '000118526')"


def holding(connection: Connection, plate: str) -> list[Overlap]:
    """Returns the lists with entries that accept a plate; of a wildcard, those that have it as it
    is written.
    """
    key = plate_key(plate)
    rows = connection.execute(
        f"""
        SELECT l.name, l.kind, count(*)::int AS entries,
               (array_agg(e.plate ORDER BY e.plate_key))[1:{SHOWN}] AS plates
          FROM (SELECT list_id, plate, plate_key FROM plate_list_entries WHERE plate_key = %(key)s
                UNION
                SELECT list_id, plate, plate_key FROM plate_list_entries
                 WHERE tolerance > 0 AND length(plate_key) BETWEEN length(%(key)s) - 1 AND length(%(key)s) + 1
                   AND (levenshtein({_FOLDED}, %(folded)s) * 9 + levenshtein(plate_key, %(key)s)) / 10.0 <= tolerance
                UNION
                SELECT list_id, plate, plate_key FROM plate_list_entries
                 WHERE plate_key ~ '[*?]' AND %(key)s LIKE translate(
                       replace(replace(replace(plate_key, '\\', '\\\\'), '%%', '\\%%'), '_', '\\_'), '*?', '%%_')
               ) e JOIN plate_lists l ON l.id = e.list_id
         GROUP BY l.id ORDER BY l.name
        """,
        {"key": key, "folded": plate_folded(key)},
    ).fetchall()
    return [Overlap(**row) for row in rows]


def seen(connection: Connection, plate: str, tolerance: float, since: datetime, limit: int) -> Seen:
    """Returns passes since a time of which a read would match an entry, newest first, each once
    with its nearest read. What a person wrote and nobody read matches nothing.
    """
    key = plate_key(plate)
    given: dict[str, Any] = {
        "key": key, "folded": plate_folded(key), "like": like_of(key), "tolerance": tolerance,
        "since": since, "limit": limit,
    }  # fmt: skip
    distance, near = _DISTANCE, _NEAR
    if is_wildcard(key):
        distance, near = _NO_DISTANCE, _LIKE
    else:
        similar = _SIMILAR_SHORT if len(key) < _SHORT else _SIMILAR
        connection.execute("SELECT set_config('pg_trgm.similarity_threshold', %s, true)", [similar])
    rows = connection.execute(
        f"""
        WITH accepted AS MATERIALIZED (
            SELECT DISTINCT ON (pass_id) pass_id, plate, {distance} AS distance FROM pass_plates
             WHERE reads > 0 AND {near} ORDER BY pass_id, distance, confidence_sum DESC, plate)
        SELECT p.id AS pass_id, p.camera_id, p.first_at, a.plate, a.distance, count(*) OVER ()::int AS total
          FROM accepted a JOIN passes p ON p.id = a.pass_id
         WHERE p.first_at >= %(since)s ORDER BY p.first_at DESC, p.id LIMIT %(limit)s
        """,
        given,
    ).fetchall()
    total = rows[0]["total"] if rows else 0
    return Seen(items=[SeenPass(**_without_total(row)) for row in rows], total=total)


def _without_total(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "total"}
