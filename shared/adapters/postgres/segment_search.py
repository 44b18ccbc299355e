"""The list of segments: statements made of fixed pieces, each served by an index."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString, TypeVar
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.part_facts import gaps_of_row
from shared.domain.errors import BadInput
from shared.domain.lifecycle import SegmentStatus
from shared.domain.plates import plate_folded, plate_key
from shared.domain.ports import Order, Page, SegmentFilter
from shared.domain.segment import FoundSegment, Segment
from shared.domain.timing import from_ms, to_ms

COLUMNS: LiteralString = """
    id, camera_id, status, file_path, thumbnail_path, strip_path, start_time, end_time, deadline, trigger_time,
    first_frame_at, continues, duration_seconds, file_size_bytes, resolution, archived, protected, note, codec, fps,
    policy, gaps, frame_count, frames_lost, pre_roll_requested_seconds, pre_roll_delivered_seconds, sha256,
    truncated_reason, error, created_at, updated_at, detection_ids, plates, best_confidence, protected_by,
    protected_at, archived_by, archived_reason, archived_at
"""
S = TypeVar("S", bound=Segment)
_STATUSES = {str(status): status for status in SegmentStatus}  # a look-up costs no call
SEEK_FROM = 500  # fewer rows are skipped faster than their day is found
_SIMILARITY = "0.25"  # of trigrams: one wrong character of four, two neighbours of seven
_MOST_EDITS = 2
# Edits of folded plates; characters that readers take for each other count a tenth.
_DISTANCE: LiteralString = """
    levenshtein(plate_folded, %(folded)s)
        + (levenshtein(plate_key, %(plate)s) - levenshtein(plate_folded, %(folded)s)) / 10.0
"""
_NEAR: LiteralString = f"""
    near AS MATERIALIZED (
        SELECT segment_id, min({_DISTANCE})::float8 AS distance, max(confidence) AS confidence FROM segment_plates
         WHERE plate_folded %% %(folded)s
           AND levenshtein_less_equal(plate_folded, %(folded)s, {_MOST_EDITS}) <= {_MOST_EDITS}
         GROUP BY segment_id)
"""


@dataclass(slots=True)
class _Search:
    """The pieces of one statement.

    `counted`: conditions that the counters know too, so that no row is counted.
    """

    args: dict[str, Any]
    source: LiteralString = "video_segments s"
    prefix: LiteralString = ""
    counted: list[LiteralString] = field(default_factory=list)
    others: list[LiteralString] = field(default_factory=list)
    distance: LiteralString = "0::float8"

    @property
    def where(self) -> LiteralString:
        return " AND ".join([*self.counted, *self.others]) or "true"


def segment_from_row(kind: type[S], row: DictRow) -> S:
    """Returns the segment in a row of COLUMNS and of what else its kind has.

    Filled past the frozen dataclass's __init__, which sets 40 fields one by one and costs five
    times as much.
    """
    segment = object.__new__(kind)
    row["status"] = _STATUSES[row["status"]]
    row["gaps"] = gaps_of_row(row["gaps"]) if row["gaps"] else ()
    vars(segment).update(row)
    return segment


def search(
    connection: Connection,
    where: SegmentFilter,
    limit: int,
    offset: int,
    cursor: str | None,
    order: Order,
) -> Page:
    """Returns one page and the number of all matches, in the caller's transaction.

    BadInput names what is wrong.
    """
    found = _pieces(where)
    if where.fuzzy:
        connection.execute(
            "SELECT set_config('pg_trgm.similarity_threshold', %s, true)", [_SIMILARITY]
        )
    total = _total(connection, found, where)
    rows = connection.execute(
        *_statement(found=found, limit=limit, offset=offset, cursor=cursor, order=order)
    ).fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(
        [segment_from_row(FoundSegment, row) for row in rows],
        total,
        _write_cursor(rows[-1]) if more else None,
    )


def _pieces(where: SegmentFilter) -> _Search:
    found = _Search({"camera_id": where.camera_id, "status": where.status})
    if where.camera_id is not None:
        found.counted.append("s.camera_id = %(camera_id)s")
    if where.cameras is not None:
        found.args["cameras"] = list(where.cameras)
        found.counted.append("s.camera_id = ANY(%(cameras)s)")
    if where.status is not None:
        found.counted.append("s.status = %(status)s")
    if where.archived is not None:
        found.counted.append(
            "s.status IN ('expiring', 'expired')"
            if where.archived
            else "s.status NOT IN ('expiring', 'expired')"
        )
    if where.protected is not None:
        found.others.append("s.protected" if where.protected else "NOT s.protected")
    if where.from_ms is not None:
        found.args["from"] = from_ms(where.from_ms)
        found.others.append(
            "s.deadline > %(from)s AND s.start_time > %(from)s - interval '2 hours'"
        )
    if where.to_ms is not None:
        found.args["to"] = from_ms(where.to_ms)
        found.others.append("s.start_time < %(to)s")
    if where.min_confidence is not None:
        found.args["min_confidence"] = where.min_confidence
    _add_plate(found, where)
    return found


def _add_plate(found: _Search, where: SegmentFilter) -> None:
    """A plate without wildcards may match nearly; one with wildcards matches as written, also where
    `fuzzy` is asked for.
    """
    confident: LiteralString = (
        "" if where.min_confidence is None else " AND confidence >= %(min_confidence)s"
    )
    if where.plate is None:
        if where.min_confidence is not None:
            found.others.append("s.best_confidence >= %(min_confidence)s")
        return
    key = plate_key(where.plate)
    if not key:
        raise BadInput("plate", "has no letter or digit")
    wild = "*" in key or "?" in key
    if where.fuzzy and not wild:
        found.args |= {"plate": key, "folded": plate_folded(key)}
        found.prefix, found.source, found.distance = (
            _NEAR,
            "near JOIN video_segments s ON s.id = segment_id",
            "distance",
        )
        if confident:
            found.others.append("near.confidence >= %(min_confidence)s")
    elif wild:
        escaped = key.replace("\\", "\\\\").replace("%", "\\%")
        found.args["plate"] = escaped.replace("*", "%").replace("?", "_")
        found.others.append(
            f"s.id IN (SELECT segment_id FROM segment_plates WHERE plate_key LIKE %(plate)s{confident})"
        )
    else:
        found.args["plate"] = key
        found.others.append(
            f"s.id IN (SELECT segment_id FROM segment_plates WHERE plate_key = %(plate)s{confident})"
        )


def _total(connection: Connection, found: _Search, where: SegmentFilter) -> int:
    """Returns the number of all matches: from the counters where these know every condition."""
    by_protection: LiteralString | None = {
        None: "sum(segments)", True: "sum(protected)", False: "sum(segments - protected)",
    }[where.protected]  # fmt: skip
    if not found.prefix and len(found.others) == (where.protected is not None):
        source: LiteralString = " AND ".join(found.counted) or "true"
        statement: LiteralString = (
            f"SELECT {by_protection}::bigint AS n FROM camera_totals s WHERE {source}"
        )
    else:
        prefix: LiteralString = f"WITH {found.prefix}" if found.prefix else ""
        statement = f"{prefix} SELECT count(*) AS n FROM {found.source} WHERE {found.where}"
    row = connection.execute(statement, found.args).fetchone()
    return 0 if row is None else int(row["n"] or 0)


def _statement(
    found: _Search, limit: int, offset: int, cursor: str | None, order: Order
) -> tuple[LiteralString, dict[str, Any]]:
    """Selects the page's ids from the index first, then reads the other columns of these rows."""
    oldest = order is Order.OLDEST
    way: LiteralString = "ASC" if oldest else "DESC"
    keys: LiteralString = f"s.start_time {way}, s.id {way}"
    outer: LiteralString = f"start_time {way}, id {way}"
    if order is Order.NEAREST and found.prefix:
        keys, outer = f"distance, {keys}", f"distance, {outer}"
    conditions: list[LiteralString] = [found.where]
    prefixes: list[LiteralString] = [found.prefix] if found.prefix else []
    skip: LiteralString = "%(offset)s"
    if cursor is not None:
        found.args |= _read_cursor(cursor)
        conditions.append(_after(order if found.prefix or oldest else Order.NEWEST))
    elif offset >= SEEK_FROM and not found.others:
        prefixes.append(_seek(found, way))
        conditions.append(
            "s.start_time >= (SELECT day::timestamp AT TIME ZONE 'UTC' FROM seek)"
            if oldest
            else "s.start_time < (SELECT (day + 1)::timestamp AT TIME ZONE 'UTC' FROM seek)"
        )
        skip = "%(offset)s - (SELECT before FROM seek)"
    where: LiteralString = " AND ".join(conditions)
    page: LiteralString = f"""
        page AS MATERIALIZED (SELECT s.id AS page_id, {found.distance} AS distance FROM {found.source}
         WHERE {where} ORDER BY {keys} LIMIT %(limit)s OFFSET {skip})
    """
    prefix: LiteralString = ", ".join([*prefixes, page])
    statement: LiteralString = f"""
        WITH {prefix}
        SELECT {COLUMNS}, distance FROM page JOIN segments_with_detections ON id = page_id ORDER BY {outer}
    """
    return statement, {**found.args, "limit": limit + 1, "offset": offset}


def _after(order: Order) -> LiteralString:
    if order is Order.OLDEST:
        return "(s.start_time, s.id) > (%(at)s, %(at_id)s)"
    if order is Order.NEWEST:
        return "(s.start_time, s.id) < (%(at)s, %(at_id)s)"
    return "(distance > %(at_distance)s OR distance = %(at_distance)s AND (s.start_time, s.id) < (%(at)s, %(at_id)s))"


def _seek(found: _Search, way: LiteralString) -> LiteralString:
    """Selects the day in which a deep page begins, by the counters, so that earlier days are not
    walked.
    """
    where: LiteralString = " AND ".join(found.counted) or "true"
    return f"""
        days AS (SELECT day, sum(segments) AS n FROM day_totals s WHERE {where} GROUP BY day HAVING sum(segments) > 0),
        runs AS (SELECT day, sum(n) OVER (ORDER BY day {way}) - n AS before FROM days),
        seek AS (SELECT day, before::bigint FROM runs WHERE before <= %(offset)s ORDER BY before DESC LIMIT 1)
    """


def _write_cursor(row: Mapping[str, Any]) -> str:
    place = [row["start_time"].isoformat(), str(row["id"]), row["distance"]]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_cursor(cursor: str) -> dict[str, Any]:
    try:
        moment, identifier, distance = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        at = datetime.fromisoformat(moment)
        to_ms(at)
        return {"at": at, "at_id": UUID(identifier), "at_distance": float(distance)}
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise BadInput("cursor", "not a cursor of this list") from error
