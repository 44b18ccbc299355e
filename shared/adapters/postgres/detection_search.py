"""The list of detections. Plates are looked up through passes, which have the indexes: ten reads of
a vehicle would cost ten entries.
"""

from __future__ import annotations

from typing import Any, LiteralString

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.listing import (
    MOST_EDITS,
    Pieces,
    allow_near,
    key_asked,
    near_args,
    pattern_of,
    read_cursor,
    total_of,
    write_cursor,
)
from shared.domain.found_passes import FoundDetection, Listed
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.ports import DetectionFilter, ReadOrder
from shared.domain.timing import from_ms

COLUMNS: LiteralString = """
    d.detection_id, d.camera_id, d.captured_at, d.confidence, d.plate, d.bbox, d.attributes, d.outcome, d.reason,
    d.pass_id, d.created_at
"""
_KEY: LiteralString = "translate(upper(d.plate), ' -._/·•', '')"
_FOLDED: LiteralString = "translate(upper(d.plate), 'OQDILBSZG -._/·•', '000118526')"
_OF_PASSES: LiteralString = "d.pass_id IN (SELECT pass_id FROM pass_plates WHERE"


def search(
    connection: Connection,
    where: DetectionFilter,
    limit: int,
    cursor: str | None,
    order: ReadOrder,
    *,
    plain: bool,
) -> Listed[FoundDetection]:
    """Returns one page and, unless it is to be plain, the number of matches, in the caller's
    transaction.
    """
    found = _pieces(where)
    if where.fuzzy:
        allow_near(connection)
    total, more = (0, True) if plain else total_of(connection, found, "kind <> 'pass'")
    rows = connection.execute(*_statement(found, limit, cursor, order)).fetchall()
    further = len(rows) > limit
    rows = rows[:limit]
    last = rows[-1] if further else None
    place = (
        None
        if last is None
        else write_cursor(last["captured_at"], last["camera_id"], last["detection_id"])
    )
    return Listed([detection_from_row(row) for row in rows], total, more, place)


def detection_from_row(row: DictRow) -> FoundDetection:
    """Returns the detection in a row of COLUMNS."""
    return FoundDetection(**row | {"outcome": DetectionOutcome(row["outcome"])})


def _pieces(where: DetectionFilter) -> Pieces:
    found = Pieces({}, "detections d")
    found.add_cameras(where.camera_id, where.cameras)
    if where.from_ms is not None:
        found.add("d.captured_at >= %(from)s", **{"from": from_ms(where.from_ms)})
    if where.to_ms is not None:
        found.add("d.captured_at < %(to)s", to=from_ms(where.to_ms))
    if where.min_confidence is not None:
        found.add("d.confidence >= %(min_confidence)s", min_confidence=where.min_confidence)
    if where.outcome is not None:
        found.add("d.outcome = %(outcome)s", outcome=str(where.outcome))
    if where.pass_id is not None:
        found.add("d.pass_id = %(pass_id)s", pass_id=where.pass_id)
    _add_plate(found, where)
    found.add_attributes("d.attributes", where.attributes)
    return found


def _add_plate(found: Pieces, where: DetectionFilter) -> None:
    """What was read, not what a person corrected: a read stays as it is."""
    if where.plate is None:
        return
    key = key_asked(where.plate)
    pattern = pattern_of(key)
    if pattern is not None:
        found.add(
            f"{_OF_PASSES} plate_key LIKE %(plate)s) AND {_KEY} LIKE %(plate)s", plate=pattern
        )
    elif where.fuzzy:
        close: LiteralString = f"%(folded)s, {MOST_EDITS}) <= {MOST_EDITS}"
        found.add(
            f"{_OF_PASSES} plate_folded %% %(folded)s AND levenshtein_less_equal(plate_folded, {close})"
            f" AND levenshtein_less_equal({_FOLDED}, {close}",
            **near_args(key),
        )
    else:
        found.add(f"{_OF_PASSES} plate_key = %(plate)s) AND {_KEY} = %(plate)s", plate=key)


def _statement(
    found: Pieces, limit: int, cursor: str | None, order: ReadOrder
) -> tuple[LiteralString, dict[str, Any]]:
    oldest = order is ReadOrder.OLDEST
    way: LiteralString = "ASC" if oldest else "DESC"
    conditions: list[LiteralString] = [found.where]
    args = {**found.args, "limit": limit + 1}
    if cursor is not None:
        at, (camera_id, detection_id), _ = read_cursor(cursor, 2)
        args |= {"at": at, "at_camera": camera_id, "at_id": detection_id}
        sign: LiteralString = ">" if oldest else "<"
        conditions.append(
            f"(d.captured_at, d.camera_id, d.detection_id) {sign} (%(at)s, %(at_camera)s, %(at_id)s)"
        )
    where: LiteralString = " AND ".join(conditions)
    statement: LiteralString = f"""
        SELECT {COLUMNS} FROM {found.source} WHERE {where}
         ORDER BY d.captured_at {way}, d.camera_id {way}, d.detection_id {way} LIMIT %(limit)s
    """
    return statement, args
