"""The list of passes: statements made of fixed pieces, each served by an index."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.listing import (
    DISTANCE,
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
from shared.domain.errors import BadInput
from shared.domain.found_passes import FoundPass, Listed, PlateVariant, Review
from shared.domain.ports import PassFilter, ReadOrder
from shared.domain.timing import from_ms

_PLAIN: LiteralString = """
    id, camera_id, first_at, last_at, ended_at, reads, coalesce(corrected_plate, plate) AS plate, plate AS read_plate,
    confidence, best_detection_id, best_at, attributes, recorded, hit, quiet_since, corrected_plate, review, note
"""
COLUMNS: LiteralString = f"""
    {_PLAIN},
    (SELECT jsonb_agg(jsonb_build_array(v.plate, v.reads, v.confidence, v.confidence_sum)
                      ORDER BY v.confidence_sum DESC, v.plate)
       FROM pass_plates v WHERE v.pass_id = p.id AND v.reads > 0) AS variants
"""
_NEAR: LiteralString = f"""
    near AS MATERIALIZED (
        SELECT pass_id, min({DISTANCE})::float8 AS distance FROM pass_plates
         WHERE plate_folded %% %(folded)s
           AND levenshtein_less_equal(plate_folded, %(folded)s, {MOST_EDITS}) <= {MOST_EDITS}
         GROUP BY pass_id)
"""


def search(
    connection: Connection,
    where: PassFilter,
    limit: int,
    cursor: str | None,
    order: ReadOrder,
    *,
    plain: bool,
) -> Listed[FoundPass]:
    """Returns one page and the number of matches, in the caller's transaction. plain: without the
    number and the plates that passes were read as.
    """
    found = pieces(where)
    if found.near:
        allow_near(connection)
    total, more = (0, True) if plain else total_of(connection, found, "kind = 'pass'")
    columns = _PLAIN if plain else COLUMNS
    rows = connection.execute(*_statement(found, limit, cursor, order, columns)).fetchall()
    further = len(rows) > limit
    rows = rows[:limit]
    last = rows[-1] if further else None
    place = (
        None
        if last is None
        else write_cursor(last["first_at"], str(last["id"]), distance=last["distance"])
    )
    return Listed([pass_from_row(row) for row in rows], total, more, place)


def pass_from_row(row: DictRow) -> FoundPass:
    """Returns the pass in a row of COLUMNS and its distance.

    Filled past the frozen dataclass's __init__, which costs five times as much.
    """
    found = object.__new__(FoundPass)
    vars(found).update(pass_values(row))
    return found


def pass_values(row: DictRow) -> dict[str, Any]:
    """Returns what a row of COLUMNS says, as FoundPass takes it."""
    return {
        **row,
        "review": None if row["review"] is None else Review(row["review"]),
        "variants": tuple(
            PlateVariant(plate=plate, reads=reads, confidence=best, confidence_sum=total)
            for plate, reads, best, total in row.get("variants") or ()
        ),
    }


def pieces(where: PassFilter) -> Pieces:
    """Returns the pieces of a statement that finds these passes."""
    found = Pieces({}, "passes p")
    found.add_cameras(where.camera_id, where.cameras)
    if where.from_ms is not None:
        found.add("p.first_at >= %(from)s", **{"from": from_ms(where.from_ms)})
    if where.to_ms is not None:
        found.add("p.first_at < %(to)s", to=from_ms(where.to_ms))
    if where.min_confidence is not None:
        found.add("p.confidence >= %(min_confidence)s", min_confidence=where.min_confidence)
    if where.min_dwell_s is not None:
        found.add(
            "p.ended_at - p.first_at >= make_interval(secs => %(min_dwell)s)",
            min_dwell=where.min_dwell_s,
        )
    if where.max_dwell_s is not None:
        found.add(
            "p.ended_at - p.first_at <= make_interval(secs => %(max_dwell)s)",
            max_dwell=where.max_dwell_s,
        )
    if where.recorded is not None:
        found.add("p.recorded" if where.recorded else "NOT p.recorded")
    if where.review is not None:
        found.add("p.review = %(review)s", review=str(where.review))
    _add_hits(found, where)
    _add_time_of_day(found, where)
    _add_plate(found, where)
    found.add_attributes("p.attributes", where.attributes)
    return found


def _add_hits(found: Pieces, where: PassFilter) -> None:
    if where.hit is not None:
        found.add("p.hit" if where.hit else "NOT p.hit")
    if where.acknowledged is not None:
        waits: LiteralString = (
            "EXISTS (SELECT FROM pass_hits h WHERE h.pass_id = p.id AND h.kind = 'watch'"
            " AND h.acknowledged_at IS NULL)"
        )
        found.add(f"p.hit AND NOT {waits}" if where.acknowledged else waits)
    if where.list_name is not None:
        found.add(
            "p.id IN (SELECT pass_id FROM pass_hits WHERE list_name = %(list)s)",
            list=where.list_name,
        )


def _add_time_of_day(found: Pieces, where: PassFilter) -> None:
    if where.day_from is None and where.day_to is None:
        return
    moment: LiteralString = "(p.first_at AT TIME ZONE %(zone)s)::time"
    found.args["zone"] = where.zone
    conditions: list[LiteralString] = []
    if where.day_from is not None:
        conditions.append(f"{moment} >= %(day_from)s")
        found.args["day_from"] = where.day_from
    if where.day_to is not None:
        conditions.append(f"{moment} < %(day_to)s")
        found.args["day_to"] = where.day_to
    both: LiteralString = " AND ".join(conditions)
    over_midnight = (
        where.day_from is not None and where.day_to is not None and where.day_from > where.day_to
    )
    either: LiteralString = " OR ".join(conditions)
    found.add(f"({either})" if over_midnight else f"({both})")


def _add_plate(found: Pieces, where: PassFilter) -> None:
    """A plate without wildcards may match nearly; one with wildcards matches as written."""
    if where.plate is None:
        return
    key = key_asked(where.plate)
    pattern = pattern_of(key)
    if pattern is not None:
        found.add(
            "p.id IN (SELECT pass_id FROM pass_plates WHERE plate_key LIKE %(plate)s)",
            plate=pattern,
        )
    elif where.fuzzy:
        found.args |= near_args(key)
        found.near, found.distance = _NEAR, "distance"
        found.source = "near JOIN passes p ON p.id = pass_id"
    else:
        found.add(
            "p.id IN (SELECT pass_id FROM pass_plates WHERE plate_key = %(plate)s)", plate=key
        )


def _statement(
    found: Pieces, limit: int, cursor: str | None, order: ReadOrder, columns: LiteralString
) -> tuple[LiteralString, dict[str, Any]]:
    """Selects the page's ids first, then reads the other columns of these rows."""
    way: LiteralString = "ASC" if order is ReadOrder.OLDEST else "DESC"
    keys: LiteralString = f"p.first_at {way}, p.id {way}"
    outer: LiteralString = f"first_at {way}, id {way}"
    by_distance = order is ReadOrder.NEAREST and bool(found.near)
    if by_distance:
        keys, outer = f"distance, {keys}", f"distance, {outer}"
    conditions: list[LiteralString] = [found.where]
    args = {**found.args, "limit": limit + 1}
    if cursor is not None:
        at, (identifier,), distance = read_cursor(cursor, 1)
        args |= {"at": at, "at_id": _uuid(identifier), "at_distance": distance}
        conditions.append(_after(order, by_distance=by_distance))
    where: LiteralString = " AND ".join(conditions)
    prefix: LiteralString = f"{found.near}, " if found.near else ""
    statement: LiteralString = f"""
        WITH {prefix} page AS MATERIALIZED (
            SELECT p.id AS page_id, {found.distance} AS distance FROM {found.source}
             WHERE {where} ORDER BY {keys} LIMIT %(limit)s)
        SELECT {columns}, distance FROM page JOIN passes p ON p.id = page_id ORDER BY {outer}
    """
    return statement, args


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadInput("cursor", "not a cursor of this list") from error


def _after(order: ReadOrder, *, by_distance: bool) -> LiteralString:
    if order is ReadOrder.OLDEST:
        return "(p.first_at, p.id) > (%(at)s, %(at_id)s)"
    later: LiteralString = "(p.first_at, p.id) < (%(at)s, %(at_id)s)"
    if not by_distance:
        return later
    return f"(distance > %(at_distance)s OR distance = %(at_distance)s AND {later})"
