"""Rows of passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres import detection_search, pass_search
from shared.adapters.postgres.access_log import log_access
from shared.adapters.postgres.database import Connection, Database, as_uuids, lock_camera
from shared.adapters.postgres.listing import key_asked
from shared.adapters.postgres.pass_reviews import note_review
from shared.domain.errors import Conflict, NotFound
from shared.domain.found_passes import (
    DetailedPass,
    FoundDetection,
    FoundPass,
    Listed,
    PassHit,
    PlateDay,
    Review,
    ReviewedPass,
    ReviewLine,
    SegmentOfPass,
)
from shared.domain.lifecycle import SegmentStatus
from shared.domain.plate_lists import ListKind
from shared.domain.ports import DetectionFilter, OpenPass, PassFilter, ReadOrder
from shared.domain.timing import from_ms, to_ms

READS_SHOWN = 1_000

_FOUND: LiteralString = f"""
    SELECT {pass_search.COLUMNS} FROM passes p
     WHERE id = coalesce((SELECT now FROM joined_passes WHERE was = %(id)s), %(id)s)
"""
_HITS: LiteralString = """
    SELECT pass_id, id, list_name, kind, entry, plate, distance, detection_id, at, name, reason, priority, instructions,
           alerted, acknowledged_at, acknowledged_by, acknowledged_note
      FROM pass_hits WHERE pass_id = ANY(%s) ORDER BY kind = 'watch' DESC, priority NULLS LAST, at, id
"""
_REVIEWS: LiteralString = """
    SELECT pass_id, at, who, review, plate, note FROM pass_reviews WHERE pass_id = ANY(%s) ORDER BY id
"""

_CLOSE: LiteralString = """
    WITH ended AS (
        UPDATE passes p SET ended_at = p.last_at
          FROM unnest(%s::uuid[], %s::timestamptz[]) AS over (id, last_at)
         WHERE p.id = over.id AND p.last_at = over.last_at AND p.ended_at IS NULL
        RETURNING p.*
    ), told AS (
        INSERT INTO outbox (name, body)
        SELECT 'pass.closed', jsonb_build_object('pass_id', id, 'camera_id', camera_id,
               'plate', coalesce(corrected_plate, plate), 'confidence', confidence, 'reads', reads,
               'first_at', first_at, 'last_at', last_at, 'recorded', recorded,
               'detection_id', best_detection_id, 'attributes', attributes, 'hit', hit,
               'hit_ids', ARRAY(SELECT h.id FROM pass_hits h WHERE h.pass_id = ended.id AND h.kind = 'watch'))
          FROM ended ORDER BY last_at, id
    )
    SELECT count(*) AS n FROM ended
"""


class PostgresPassRows:
    """Implements the port `PassRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_passes(self) -> list[OpenPass]:
        rows = self._database.fetch(
            "SELECT id, camera_id, last_at, late_ms FROM passes WHERE ended_at IS NULL"
        )
        return [
            OpenPass(
                pass_id=row["id"],
                camera_id=row["camera_id"],
                last_ms=to_ms(row["last_at"]),
                late_ms=row["late_ms"],
            )
            for row in rows
        ]

    def close_passes(self, passes: Sequence[OpenPass]) -> int:
        """Leaves a pass that somebody is changing now: it has a read or a hit more in a moment."""
        last_ms = {each.pass_id: each.last_ms for each in passes}
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT id FROM passes WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED", [list(last_ms)]
            ).fetchall()
            found = as_uuids(rows)
            given = [found, [from_ms(last_ms[each]) for each in found]]
            row = connection.execute(_CLOSE, given).fetchone()
        return 0 if row is None else int(row["n"])

    def search(
        self,
        where: PassFilter,
        limit: int,
        cursor: str | None,
        order: ReadOrder,
        *,
        plain: bool = False,
    ) -> Listed[FoundPass]:
        with self._database.transaction() as connection:
            return pass_search.search(connection, where, limit, cursor, order, plain=plain)

    def detections(
        self,
        where: DetectionFilter,
        limit: int,
        cursor: str | None,
        order: ReadOrder,
        *,
        plain: bool = False,
    ) -> Listed[FoundDetection]:
        with self._database.transaction() as connection:
            return detection_search.search(connection, where, limit, cursor, order, plain=plain)

    def detections_with_id(self, detection_id: str) -> list[FoundDetection]:
        rows = self._database.fetch(
            f"""
            SELECT {detection_search.COLUMNS} FROM detections d WHERE detection_id = %s ORDER BY camera_id
            """,
            detection_id,
        )
        return [detection_search.detection_from_row(row) for row in rows]

    def get(self, pass_id: UUID) -> DetailedPass:
        """Has the first 1,000 reads."""
        with self._database.transaction() as connection:
            return _detailed(connection, _found(connection, pass_id))

    def reviewed(self, pass_ids: Sequence[UUID]) -> list[ReviewedPass]:
        given = [list(pass_ids)]
        with self._database.transaction() as connection:
            found = connection.execute(
                f"SELECT {pass_search.COLUMNS} FROM passes p WHERE id = ANY(%s) ORDER BY first_at, id",
                given,
            ).fetchall()
            hits, reviews = (
                connection.execute(statement, given).fetchall() for statement in (_HITS, _REVIEWS)
            )
        return [
            ReviewedPass(
                **pass_search.pass_values(row),
                distance=0.0,
                hits=[_hit(each) for each in hits if each["pass_id"] == row["id"]],
                reviews=[_review_line(each) for each in reviews if each["pass_id"] == row["id"]],
            )
            for row in found
        ]

    def review(
        self, pass_id: UUID, review: Review | None, plate: str | None, note: str | None, who: str
    ) -> DetailedPass:
        """Writes to the access log. The camera's lock keeps the pass from becoming part of another
        one meanwhile.
        """
        with self._database.transaction() as connection:
            lock_camera(connection, _found(connection, pass_id)["camera_id"])
            before = _found(connection, pass_id)
            if review is not None:
                note_review(connection, before["id"], review, plate, note, who)
            elif note is not None:
                connection.execute(
                    "UPDATE passes SET note = %s WHERE id = %s", [note, before["id"]]
                )
            after = _found(connection, before["id"])
            details: dict[str, Any] = {
                "pass_id": str(before["id"]),
                "read_plate": before["read_plate"],
            }
            details |= {"plate": after["plate"], "note": note}
            log_access(
                connection=connection,
                who=who,
                action="note" if review is None else str(review),
                segment_id=None,
                details=details,
            )
            return _detailed(connection, after)

    def lists_of(self, pass_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
        rows = self._database.fetch(
            """
            SELECT pass_id, array_agg(DISTINCT list_name ORDER BY list_name) AS names
              FROM pass_hits WHERE pass_id = ANY(%s) GROUP BY pass_id
            """,
            list(pass_ids),
        )
        return {row["pass_id"]: row["names"] for row in rows}

    def hits(self, pass_id: UUID) -> list[PassHit]:
        return [_hit(row) for row in self._database.fetch(_HITS, [pass_id])]

    def acknowledge(self, pass_id: UUID, note: str | None, who: str) -> int:
        """Writes to the access log, under the camera's lock, as `review` does."""
        with self._database.transaction() as connection:
            lock_camera(connection, _found(connection, pass_id)["camera_id"])
            found = _found(connection, pass_id)
            seen = connection.execute(
                """
                UPDATE pass_hits SET acknowledged_at = now(), acknowledged_by = %s, acknowledged_note = %s
                 WHERE pass_id = %s AND kind = 'watch' AND acknowledged_at IS NULL
                """,
                [who, note, found["id"]],
            ).rowcount
            if not found["hit"]:
                raise Conflict(f"pass {pass_id} is no hit")
            log_access(
                connection=connection,
                who=who,
                action="acknowledge",
                segment_id=None,
                details={"pass_id": str(found["id"]), "plate": found["plate"], "note": note},
            )
            return seen

    def days_of_plate(
        self, plate: str, zone: str, cameras: Sequence[str] | None, limit: int
    ) -> list[PlateDay]:
        rows = self._database.fetch(
            """
            SELECT (p.first_at AT TIME ZONE %(zone)s)::date AS day, p.camera_id, count(*) AS passes
              FROM pass_plates v JOIN passes p ON p.id = v.pass_id
             WHERE v.plate_key = %(plate)s AND (%(cameras)s::text[] IS NULL OR p.camera_id = ANY(%(cameras)s))
             GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT %(limit)s
            """,
            {
                "plate": key_asked(plate),
                "zone": zone,
                "cameras": None if cameras is None else list(cameras),
                "limit": limit,
            },
        )
        return [PlateDay(**row) for row in rows]


def _found(connection: Connection, pass_id: UUID) -> DictRow:
    row = connection.execute(_FOUND, {"id": pass_id}).fetchone()
    if row is None:
        raise NotFound(f"there is no pass {pass_id}")
    return row


def _detailed(connection: Connection, row: DictRow) -> DetailedPass:
    reads = connection.execute(
        f"""
        SELECT {detection_search.COLUMNS} FROM detections d WHERE pass_id = %s
         ORDER BY captured_at, detection_id LIMIT {READS_SHOWN}
        """,
        [row["id"]],
    ).fetchall()
    segments = connection.execute(
        """
        SELECT s.id AS segment_id, s.status, s.start_time, s.duration_seconds, min(l.offset_ms) AS offset_ms
          FROM detections d JOIN segment_detections l USING (detection_id, camera_id)
          JOIN video_segments s ON s.id = l.segment_id
         WHERE d.pass_id = %s GROUP BY s.id ORDER BY s.start_time
        """,
        [row["id"]],
    ).fetchall()
    lines = connection.execute(_REVIEWS, [[row["id"]]]).fetchall()
    return DetailedPass(
        **pass_search.pass_values(row),
        distance=0.0,
        detections=[detection_search.detection_from_row(each) for each in reads],
        segments=[
            SegmentOfPass(**each | {"status": SegmentStatus(each["status"])}) for each in segments
        ],
        reviews=[_review_line(each) for each in lines],
    )


def _hit(row: DictRow) -> PassHit:
    values = {name: value for name, value in row.items() if name != "pass_id"}
    return PassHit(**values | {"kind": ListKind(row["kind"])})


def _review_line(row: DictRow) -> ReviewLine:
    values = {name: value for name, value in row.items() if name != "pass_id"}
    return ReviewLine(**values | {"review": Review(row["review"])})
