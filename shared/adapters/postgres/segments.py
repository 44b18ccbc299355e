"""Rows of segments, as people see them."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import takewhile
from typing import LiteralString
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from shared.adapters.postgres.access_log import log_access
from shared.adapters.postgres.database import Connection, Database, lock_camera
from shared.adapters.postgres.part_facts import form_of_row, stored_part
from shared.adapters.postgres.retention import mark
from shared.adapters.postgres.segment_search import COLUMNS, search, segment_from_row
from shared.adapters.postgres.window_rows import growing_alone, load_growing
from shared.adapters.postgres.windows import apply
from shared.domain.errors import Conflict, Gone, NotFound
from shared.domain.lifecycle import SegmentStatus
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Order, Page, SegmentFilter, StoredClip, Streamed
from shared.domain.recording import Stopped, step
from shared.domain.segment import (
    ClipDay,
    DetailedSegment,
    LinkedSegment,
    MissingFootage,
    PlacedDetection,
    Segment,
)
from shared.domain.strips import Strip
from shared.domain.timing import from_ms, to_ms

_DAYS_BY_COUNTERS: LiteralString = """
    SELECT day, sum(segments)::bigint AS segments, sum(bytes)::bigint AS bytes,
           (sum(duration_ms) / 1000.0)::float8 AS duration_seconds
      FROM day_totals WHERE camera_id = %(camera)s AND status = 'ready' AND day BETWEEN %(first)s AND %(last)s
     GROUP BY day HAVING sum(segments) > 0 ORDER BY day
"""
_DAYS_BY_CLIPS: LiteralString = """
    SELECT (start_time AT TIME ZONE %(zone)s)::date AS day, count(*) AS segments,
           sum(file_size_bytes)::bigint AS bytes, sum(duration_seconds) AS duration_seconds
      FROM video_segments
     WHERE camera_id = %(camera)s AND status = 'ready'
       AND start_time >= %(first)s::timestamp AT TIME ZONE %(zone)s
       AND start_time < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
     GROUP BY 1 ORDER BY 1
"""


class PostgresSegmentRows:
    """Implements the port `SegmentRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Close the pool. Only for a repository that the doorway made; others share their pool."""
        self._database.close()

    def search(
        self, where: SegmentFilter, limit: int, offset: int, cursor: str | None, order: Order
    ) -> Page:
        with self._database.transaction() as connection:
            return search(
                connection=connection,
                where=where,
                limit=limit,
                offset=offset,
                cursor=cursor,
                order=order,
            )

    def row(self, segment_id: UUID) -> Segment:
        return segment_from_row(Segment, self._row(segment_id))

    def _row(self, segment_id: UUID) -> DictRow:
        row = self._database.fetch_one(
            f"SELECT {COLUMNS} FROM segments_with_detections WHERE id = %s", segment_id
        )
        if row is None:
            raise NotFound(f"there is no segment {segment_id}")
        return row

    def get(self, segment_id: UUID) -> DetailedSegment:
        detections = self._database.fetch(
            """
            SELECT d.detection_id, d.captured_at, d.confidence, d.plate, d.bbox, d.attributes, l.offset_ms,
                   d.captured_at >= s.start_time AND d.captured_at < s.deadline AS contains
              FROM segment_detections l JOIN detections d USING (detection_id, camera_id)
              JOIN video_segments s ON s.id = l.segment_id
             WHERE l.segment_id = %s ORDER BY d.captured_at, d.detection_id
            """,
            segment_id,
        )
        placed = [PlacedDetection(**each) for each in detections]
        return segment_from_row(DetailedSegment, {**self._row(segment_id), "detections": placed})

    def streamed(self, segment_id: UUID, from_ms: int | None = None) -> Streamed:
        """Has the parts before the first that is still to be written."""
        row = self._database.fetch_one("SELECT * FROM video_segments WHERE id = %s", segment_id)
        if row is None:
            raise NotFound(f"there is no segment {segment_id}")
        parts = self._database.fetch(
            """
            SELECT id, number, start_time, end_time, state, object_key, facts, NULL AS thumbnail, error
              FROM segment_parts
             WHERE segment_id = %(id)s AND (%(at)s::timestamptz IS NULL OR start_time = %(at)s) ORDER BY number
            """,
            {
                "id": segment_id,
                "at": None
                if from_ms is None
                else row["start_time"] + timedelta(milliseconds=from_ms),
            },
        )
        written = list(takewhile(lambda part: part["state"] in {"done", "gap"}, parts))
        return _streamed(
            row, written, complete=len(written) == len(parts) and row["status"] != "recording"
        )

    def strip(self, segment_id: UUID) -> Strip | None:
        row = self._database.fetch_one("SELECT strip FROM video_segments WHERE id = %s", segment_id)
        if row is None or row["strip"] is None:
            return None
        return Strip(**{**row["strip"], "offsets_ms": tuple(row["strip"]["offsets_ms"])})

    def by_detection(self, camera_id: str, detection_id: str) -> list[LinkedSegment]:
        rows = self._database.fetch(
            f"""
            SELECT {COLUMNS}, offset_ms, captured_at >= start_time AND captured_at < deadline AS contains
              FROM (SELECT l.segment_id, l.offset_ms, d.captured_at FROM segment_detections l
                      JOIN detections d USING (detection_id, camera_id)
                     WHERE l.detection_id = %s AND l.camera_id = %s) found
              JOIN segments_with_detections s ON s.id = found.segment_id
             ORDER BY start_time, id
            """,
            detection_id,
            camera_id,
        )
        return [segment_from_row(LinkedSegment, row) for row in rows]

    def calendar(self, camera_id: str, first: date, last: date, zone: str) -> list[ClipDay]:
        """In UTC by the counters, in another time zone by the camera's clips of that time."""
        statement = _DAYS_BY_COUNTERS if zone == "UTC" else _DAYS_BY_CLIPS
        given = {"camera": camera_id, "first": first, "last": last, "zone": zone}
        return [ClipDay(**row) for row in self._database.fetch(statement, given)]

    def gaps(self, camera_id: str, first_ms: int, last_ms: int, limit: int) -> list[MissingFootage]:
        """A failed segment lacks all of its window."""
        rows = self._database.fetch(
            """
            SELECT s.id AS segment_id, (gap.value->>'from')::timestamptz AS from_time,
                   (gap.value->>'to')::timestamptz AS to_time,
                   (gap.value->>'frames')::int AS frames, gap.value->>'cause' AS cause,
                   coalesce((gap.value->>'estimated')::boolean, false) AS estimated
              FROM video_segments s CROSS JOIN LATERAL jsonb_array_elements(s.gaps) gap
             WHERE s.camera_id = %(camera)s AND s.start_time < %(to)s AND s.deadline > %(from)s
               AND s.start_time > %(from)s - interval '2 hours' AND (gap.value->>'from')::timestamptz < %(to)s
               AND (gap.value->>'to')::timestamptz > %(from)s
            UNION ALL
            SELECT s.id, s.start_time, s.deadline, coalesce(s.frames_lost, 0), coalesce(s.error, 'failed'), true
              FROM video_segments s
             WHERE s.camera_id = %(camera)s AND s.status = 'failed' AND s.gaps = '[]' AND s.start_time < %(to)s
               AND s.deadline > %(from)s AND s.start_time > %(from)s - interval '2 hours'
             ORDER BY 2, 1 LIMIT %(limit)s
            """,
            {
                "camera": camera_id,
                "from": from_ms(first_ms),
                "to": from_ms(last_ms),
                "limit": limit,
            },
        )
        return [MissingFootage(**row) for row in rows]

    def protect(
        self, segment_id: UUID, *, protected: bool, who: str, note: str | None
    ) -> DetailedSegment:
        """Writes to the access log."""
        with self._database.transaction() as connection:
            row = connection.execute(
                """
                UPDATE video_segments SET protected = %(protected)s, note = coalesce(%(note)s, note),
                       protected_by = CASE WHEN %(protected)s THEN %(who)s END,
                       protected_at = CASE WHEN %(protected)s THEN now() END, updated_at = now()
                 WHERE id = %(id)s AND NOT archived RETURNING id
                """,
                {"protected": protected, "note": note, "who": who, "id": segment_id},
            ).fetchone()
            if row is None:
                raise _why_not(connection, segment_id)
            details = {"protected": protected, "note": note}
            log_access(
                connection=connection,
                who=who,
                action="protect" if protected else "unprotect",
                segment_id=segment_id,
                details=details,
            )
        return self.get(segment_id)

    def archive(self, segment_id: UUID, who: str) -> None:
        """FAILED segments may be archived too."""
        with self._database.transaction() as connection:
            if not mark(connection, {segment_id: "request"}, who):
                raise _why_not(connection, segment_id)
            log_access(
                connection=connection, who=who, action="delete", segment_id=segment_id, details={}
            )

    def stop_recording(self, camera_id: str, now_ms: int) -> UUID | None:
        with self._database.transaction() as connection:
            lock_camera(connection, camera_id)
            windows = growing_alone(load_growing(connection, camera_id))
            _, effects = step(windows, Stopped(now_ms), uuid4)
            return next(iter(apply(connection, camera_id, RecordingPolicy(), effects)), None)


def _why_not(connection: Connection, segment_id: UUID) -> Exception:
    row = connection.execute(
        "SELECT status, protected, archived FROM video_segments WHERE id = %s", [segment_id]
    ).fetchone()
    if row is None:
        return NotFound(f"there is no segment {segment_id}")
    if row["archived"]:
        return Gone(f"segment {segment_id} was deleted")
    if row["protected"]:
        return Conflict(f"segment {segment_id} is protected")
    return Conflict(f"segment {segment_id} is still {row['status']}")


def _streamed(row: DictRow, parts: list[DictRow], *, complete: bool) -> Streamed:
    start_ms = to_ms(row["start_time"])
    ready = row["status"] == "ready"
    first = row["first_frame_at"]
    clip = (
        StoredClip(row["file_path"], row["file_size_bytes"], to_ms(first))
        if ready and first is not None
        else None
    )
    fragments = [(begin, end) for begin, end in row["fragments"] or ()]
    if clip is not None and not fragments:
        begin = clip.first_frame_ms - start_ms
        fragments = [(begin, begin + round(row["duration_seconds"] * 1000))]
    return Streamed(
        segment_id=row["id"],
        camera_id=row["camera_id"],
        status=SegmentStatus(row["status"]),
        start_ms=start_ms,
        policy=RecordingPolicy.from_json(row["policy"]),
        form=form_of_row(row),
        parts=[stored_part(part) for part in parts],
        fragments=fragments,
        clip=clip,
        complete=complete,
    )
