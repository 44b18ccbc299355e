"""Loads and writes a camera's passes.

Callers hold the camera's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.pass_hits import join_hits
from shared.adapters.postgres.pass_reviews import hold_reviews
from shared.domain.media import Box
from shared.domain.passes import BestRead, CameraPasses, Pass, Variant, best_key
from shared.domain.staying import Stay
from shared.domain.timing import from_ms, to_ms

Range = tuple[str, int, int]

_COLUMNS: LiteralString = """
    p.id, p.camera_id, p.first_at, p.last_at, p.reads, p.confidence, p.best_detection_id, p.best_at, p.first_box,
    p.last_box, p.attributes, p.late_ms, p.recorded, p.hit, p.loud_since, p.quiet_since, p.parked_box,
    (SELECT jsonb_agg(jsonb_build_array(v.plate_key, v.plate, v.reads, v.confidence_sum, v.best_detection_id,
                                        round(extract(epoch FROM v.best_at) * 1000)::bigint, v.confidence))
       FROM pass_plates v WHERE v.pass_id = p.id AND v.best_detection_id IS NOT NULL) AS variants
"""
_NEAR: LiteralString = f"""
    SELECT {_COLUMNS} FROM passes p
     WHERE p.camera_id = r.camera_id AND p.ended_at IS NULL AND p.first_at <= r.to_at AND p.last_at >= r.from_at
    UNION ALL
    SELECT {_COLUMNS} FROM passes p
     WHERE p.camera_id = r.camera_id AND p.ended_at >= r.from_at AND p.first_at <= r.to_at
"""
_NEAR_ONE: LiteralString = f"""
    SELECT n.* FROM (SELECT %s::text AS camera_id, %s::timestamptz AS from_at, %s::timestamptz AS to_at) r
     CROSS JOIN LATERAL ({_NEAR}) n
"""
_NEAR_MANY: LiteralString = f"""
    SELECT n.* FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS r (camera_id, from_at, to_at)
     CROSS JOIN LATERAL ({_NEAR}) n
"""


def ask_passes(connection: Connection, ranges: Sequence[Range]) -> Cursor[DictRow]:
    """Ask for the passes that meet ranges of cameras (camera, start and end in ms; see
    `passes_in`). One range has a statement of its own, as that for windows has.
    """
    if len(ranges) == 1:
        ((camera_id, start_ms, end_ms),) = ranges
        return connection.execute(_NEAR_ONE, [camera_id, from_ms(start_ms), from_ms(end_ms)])
    cameras, starts, ends = zip(*ranges, strict=True)
    return connection.execute(
        _NEAR_MANY, [list(cameras), [from_ms(ms) for ms in starts], [from_ms(ms) for ms in ends]]
    )


def passes_in(rows: Iterable[DictRow]) -> dict[str, dict[UUID, Pass]]:
    """Returns the passes of the rows that `ask_passes` asked for, by camera."""
    found: dict[str, dict[UUID, Pass]] = {}
    for row in rows:
        found.setdefault(row["camera_id"], {})[row["id"]] = _pass(row)
    return found


def widen(
    connection: Connection, camera_id: str, passes: CameraPasses, before: dict[UUID, Pass]
) -> None:
    """Join what has become one with passes that were joined: these reach further than the reads
    near which passes were loaded. before: gets what is loaded now, as it is in the database.
    """
    looked: set[tuple[int, int]] = set()
    while True:
        joined = [passes.passes[passes.now(pass_id)] for pass_id in passes.gone]
        spans = {(each.first_ms, each.last_ms) for each in joined} - looked
        if not spans:
            return
        looked |= spans
        gap_ms = passes.gap_ms
        ranges = [(camera_id, first - gap_ms, last + gap_ms) for first, last in spans]
        near = passes_in(ask_passes(connection, ranges).fetchall()).get(camera_id, {})
        for pass_id, found in near.items():
            if pass_id not in passes.passes and pass_id not in passes.gone:
                passes.passes[pass_id] = before[pass_id] = found
        for each in joined:
            passes.settle(each.pass_id)


def write_passes(
    connection: Connection,
    changed: Sequence[tuple[str, Pass, Mapping[str, Variant]]],
    gone: Mapping[UUID, UUID],
) -> None:
    """Write passes and the variants that changed. gone: passes that are part of another now.

    changed: camera, the pass as it is now, its variants that are new or changed.
    """
    if not changed:
        return
    connection.execute(
        """
        INSERT INTO passes AS p (id, camera_id, first_at, last_at, reads, plate, confidence, best_detection_id, best_at,
               first_box, last_box, attributes, late_ms, recorded, hit, loud_since, quiet_since, parked_box)
        SELECT * FROM jsonb_to_recordset(%s) AS new (id uuid, camera_id text, first_at timestamptz,
               last_at timestamptz, reads integer, plate text, confidence float8, best_detection_id text,
               best_at timestamptz, first_box jsonb, last_box jsonb, attributes jsonb, late_ms integer,
               recorded boolean, hit boolean, loud_since timestamptz, quiet_since timestamptz, parked_box jsonb)
        ON CONFLICT (id) DO UPDATE SET first_at = excluded.first_at, last_at = excluded.last_at, ended_at = NULL,
               reads = excluded.reads, plate = excluded.plate, confidence = excluded.confidence,
               best_detection_id = excluded.best_detection_id, best_at = excluded.best_at,
               first_box = excluded.first_box, last_box = excluded.last_box, attributes = excluded.attributes,
               late_ms = excluded.late_ms, recorded = excluded.recorded, hit = excluded.hit,
               loud_since = excluded.loud_since,
               quiet_since = excluded.quiet_since, parked_box = excluded.parked_box
        """,
        [Jsonb([_row(camera_id, each) for camera_id, each, _ in changed])],
    )
    variants = [
        _variant_row(each.pass_id, key, variant)
        for _, each, new in changed
        for key, variant in new.items()
    ]
    if variants:
        connection.execute(
            """
            INSERT INTO pass_plates (pass_id, plate_key, plate, reads, confidence, confidence_sum, best_detection_id,
                   best_at)
            SELECT * FROM jsonb_to_recordset(%s) AS new (pass_id uuid, plate_key text, plate text, reads integer,
                   confidence float8, confidence_sum float8, best_detection_id text, best_at timestamptz)
            ON CONFLICT (pass_id, plate_key) DO UPDATE SET plate = excluded.plate, reads = excluded.reads,
                   confidence = excluded.confidence, confidence_sum = excluded.confidence_sum,
                   best_detection_id = excluded.best_detection_id, best_at = excluded.best_at
            """,
            [Jsonb(variants)],
        )
    if gone:
        _join(connection, gone)


def _join(connection: Connection, gone: Mapping[UUID, UUID]) -> None:
    """Give what passes had to those that they are part of now; of what people said, the newest
    holds.
    """
    whole = list(set(gone.values()))
    pairs = [list(gone), list(gone.values())]
    joined: LiteralString = "unnest(%s::uuid[], %s::uuid[]) AS joined (was, now)"
    connection.execute(
        f"UPDATE detections SET pass_id = joined.now FROM {joined} WHERE pass_id = joined.was",
        pairs,
    )
    connection.execute(
        f"UPDATE pass_reviews SET pass_id = joined.now FROM {joined} WHERE pass_id = joined.was",
        pairs,
    )
    connection.execute(
        f"""
        UPDATE passes p SET note = w.note FROM (
            SELECT joined.now, max(passes.note) AS note FROM {joined} JOIN passes ON passes.id = joined.was
             WHERE passes.note IS NOT NULL GROUP BY joined.now) w
         WHERE p.id = w.now AND p.note IS NULL
        """,
        pairs,
    )
    # The best read may be one of a pass that is gone, and so are its pictures.
    connection.execute(
        f"""
        UPDATE passes p SET picture_of = w.picture_of, picture_path = w.picture_path,
               picture_plate = w.picture_plate, picture_scene = w.picture_scene
          FROM {joined} JOIN passes w ON w.id = joined.was
         WHERE p.id = joined.now AND w.picture_of = p.best_detection_id AND w.picture_path IS NOT NULL
        """,
        pairs,
    )
    hold_reviews(connection, whole)
    connection.execute("SELECT name_plates(%s)", [whole])
    join_hits(connection, gone)
    connection.execute(
        f"UPDATE joined_passes j SET now = joined.now FROM {joined} WHERE j.now = joined.was", pairs
    )
    connection.execute(
        f"INSERT INTO joined_passes (was, now) SELECT was, now FROM {joined} ON CONFLICT DO NOTHING",
        pairs,
    )
    connection.execute("DELETE FROM passes WHERE id = ANY(%s)", [list(gone)])


def _row(camera_id: str, each: Pass) -> dict[str, Any]:
    return {
        "id": str(each.pass_id),
        "camera_id": camera_id,
        "first_at": _text(each.first_ms),
        "last_at": _text(each.last_ms),
        "reads": each.reads,
        "plate": each.plate,
        "confidence": each.best.confidence,
        "best_detection_id": each.best.detection_id,
        "best_at": _text(each.best.captured_ms),
        "first_box": box_list(each.first_box),
        "last_box": box_list(each.last_box),
        "attributes": dict(each.attributes),
        "late_ms": each.late_ms,
        "recorded": each.recorded,
        "hit": each.hit,
        "loud_since": _text(each.stay.loud_since_ms),
        "quiet_since": _text(each.stay.quiet_since_ms),
        "parked_box": box_list(each.stay.parked),
    }


def _variant_row(pass_id: UUID, key: str, variant: Variant) -> dict[str, Any]:
    return {
        "pass_id": str(pass_id),
        "plate_key": key,
        "plate": variant.plate,
        "reads": variant.reads,
        "confidence": variant.best.confidence,
        "confidence_sum": variant.confidence_sum,
        "best_detection_id": variant.best.detection_id,
        "best_at": _text(variant.best.captured_ms),
    }


def _pass(row: DictRow) -> Pass:
    quiet = row["quiet_since"]
    variants = {
        key: Variant(
            plate=plate,
            reads=reads,
            confidence_sum=total,
            best=BestRead(detection_id, at_ms, confidence),
        )
        for key, plate, reads, total, detection_id, at_ms, confidence in row["variants"] or ()
    }
    return Pass(
        pass_id=row["id"],
        first_ms=to_ms(row["first_at"]),
        last_ms=to_ms(row["last_at"]),
        reads=row["reads"],
        best=BestRead(row["best_detection_id"], to_ms(row["best_at"]), row["confidence"]),
        stay=Stay(
            loud_since_ms=to_ms(row["loud_since"]),
            quiet_since_ms=None if quiet is None else to_ms(quiet),
            parked=box_of(row["parked_box"]),
        ),
        variants=variants,
        key=best_key(variants, variants),
        first_box=box_of(row["first_box"]),
        last_box=box_of(row["last_box"]),
        attributes=row["attributes"],
        late_ms=row["late_ms"],
        recorded=row["recorded"],
        hit=row["hit"],
    )


def box_of(stored: Sequence[int] | None) -> Box | None:
    """Returns the box of a column."""
    return None if stored is None else Box(*stored)


def box_list(box: Box | None) -> list[int] | None:
    """Returns a box as its column has it."""
    return None if box is None else [box.x, box.y, box.width, box.height]


def _text(ms: int | None) -> str | None:
    return None if ms is None else from_ms(ms).isoformat()
