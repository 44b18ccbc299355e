"""Rows of segments, as people and retention see them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from shared.adapters.postgres.counters import count
from shared.adapters.postgres.database import Connection, Database, as_uuids, lock_camera
from shared.adapters.postgres.outbox import emit
from shared.adapters.postgres.windows import apply, load_growing
from shared.domain.errors import BadInput, Conflict, Gone, NotFound
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Page, SegmentFilter
from shared.domain.recording import Stopped, step
from shared.domain.retention import Clip, Verdict
from shared.domain.timing import from_ms, to_ms

_COLUMNS: LiteralString = """
    id, camera_id, status, file_path, thumbnail_path, start_time, end_time, deadline, trigger_time, first_frame_at,
    continues, duration_seconds, file_size_bytes, resolution, archived, protected, note, codec, fps, policy, gaps,
    frame_count, frames_lost, pre_roll_requested_seconds, pre_roll_delivered_seconds, sha256, truncated_reason, error,
    created_at, updated_at, detection_ids
"""
_WHERE: LiteralString = """
    (%(camera_id)s::text IS NULL OR camera_id = %(camera_id)s) AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(archived)s::boolean IS NULL OR archived = %(archived)s)
    AND (%(protected)s::boolean IS NULL OR protected = %(protected)s)
    AND (%(from)s::timestamptz IS NULL OR deadline > %(from)s) AND (%(to)s::timestamptz IS NULL OR start_time < %(to)s)
    AND ((%(plate)s::text IS NULL AND %(min_confidence)s::float8 IS NULL) OR EXISTS (
        SELECT FROM segment_detections l JOIN detections d USING (detection_id)
         WHERE l.segment_id = s.id AND (%(plate)s::text IS NULL OR d.plate ILIKE %(plate)s)
           AND (%(min_confidence)s::float8 IS NULL OR d.confidence >= %(min_confidence)s)))
"""


class VideoRepository:
    """Implements the port `Videos`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Close the pool, for whoever got the repository from the doorway; others may share it."""
        self._database.close()

    def search(self, where: SegmentFilter, limit: int, offset: int, cursor: str | None, *, newest_first: bool) -> Page:
        """See the port; a cursor goes on after the last item of its page, whatever was added meanwhile."""
        at = (None, None) if cursor is None else _read_cursor(cursor)
        args = {
            **_args(where), "limit": limit + 1, "offset": offset, "at": at[0], "at_id": at[1],
        }  # fmt: skip
        order: LiteralString = "DESC" if newest_first else "ASC"
        than: LiteralString = "<" if newest_first else ">"
        with self._database.transaction() as connection:
            total = connection.execute(f"SELECT count(*) AS n FROM video_segments s WHERE {_WHERE}", args).fetchone()
            rows = connection.execute(
                f"""
                SELECT {_COLUMNS} FROM segments_with_detections s
                 WHERE {_WHERE} AND (%(at)s::timestamptz IS NULL OR (start_time, id) {than} (%(at)s, %(at_id)s::uuid))
                 ORDER BY start_time {order}, id {order} LIMIT %(limit)s OFFSET %(offset)s
                """,
                args,
            ).fetchall()
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(
            [dict(row) for row in rows],
            0 if total is None else total["n"],
            _write_cursor(rows[-1]["start_time"], rows[-1]["id"]) if more else None,
        )

    def get(self, segment_id: UUID) -> dict[str, Any]:
        """See the port."""
        with self._database.transaction() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM segments_with_detections WHERE id = %s", [segment_id]
            ).fetchone()
            if row is None:
                raise NotFound(f"there is no segment {segment_id}")
            detections = connection.execute(
                """
                SELECT d.detection_id, d.captured_at, d.confidence, d.plate, d.bbox, d.attributes, l.offset_ms,
                       d.captured_at >= s.start_time AND d.captured_at < s.deadline AS contains
                  FROM segment_detections l JOIN detections d USING (detection_id)
                  JOIN video_segments s ON s.id = l.segment_id
                 WHERE l.segment_id = %s ORDER BY d.captured_at, d.detection_id
                """,
                [segment_id],
            ).fetchall()
        return {**row, "detections": [dict(detection) for detection in detections]}

    def by_detection(self, detection_id: str) -> list[dict[str, Any]]:
        """See the port; in order of time."""
        return self._database.fetch(
            f"""
            SELECT {_COLUMNS}, offset_ms, captured_at >= start_time AND captured_at < deadline AS contains
              FROM (SELECT l.segment_id, l.offset_ms, d.captured_at FROM segment_detections l
                      JOIN detections d USING (detection_id) WHERE l.detection_id = %s) found
              JOIN segments_with_detections s ON s.id = found.segment_id
             ORDER BY start_time, id
            """,
            detection_id,
        )

    def stats(self) -> dict[str, Any]:
        """See the port; O(cameras x days), never O(segments)."""
        with self._database.transaction() as connection:
            cameras = connection.execute(
                """
                SELECT camera_id, sum(segments)::bigint AS segments, sum(bytes)::bigint AS bytes,
                       sum(duration_ms) / 1000.0 AS duration_seconds
                  FROM segment_counters GROUP BY camera_id ORDER BY camera_id
                """
            ).fetchall()
            days = connection.execute(
                """
                SELECT day, sum(segments)::bigint AS segments, sum(bytes)::bigint AS bytes,
                       sum(duration_ms) / 1000.0 AS duration_seconds
                  FROM segment_counters GROUP BY day ORDER BY day DESC LIMIT 400
                """
            ).fetchall()
            states = connection.execute(
                """
                SELECT status, count(*) AS n FROM video_segments
                 WHERE status IN ('recording', 'finalizing', 'expiring') GROUP BY status
                """
            ).fetchall()
        segments = sum(row["segments"] for row in cameras)
        size_bytes = sum(row["bytes"] for row in cameras)
        duration = float(sum(row["duration_seconds"] for row in cameras))
        return {
            "segments": segments,
            "bytes": size_bytes,
            "duration_seconds": duration,
            "average_duration_seconds": duration / segments if segments else 0.0,
            "average_bytes": size_bytes / segments if segments else 0.0,
            "unfinished": {row["status"]: row["n"] for row in states},
            "cameras": [{**row, "duration_seconds": float(row["duration_seconds"])} for row in cameras],
            "days": [{**row, "duration_seconds": float(row["duration_seconds"])} for row in days],
        }

    def protect(self, segment_id: UUID, *, protected: bool, who: str, note: str | None) -> dict[str, Any]:
        """See the port; written to the audit log."""
        with self._database.transaction() as connection:
            row = connection.execute(
                """
                UPDATE video_segments SET protected = %s, note = coalesce(%s, note), updated_at = now()
                 WHERE id = %s AND NOT archived RETURNING id
                """,
                [protected, note, segment_id],
            ).fetchone()
            if row is None:
                raise _why_not(connection, segment_id)
            details = {"protected": protected, "note": note}
            log(connection, who, "protect" if protected else "unprotect", segment_id, details)
        return self.get(segment_id)

    def archive(self, segment_id: UUID, who: str) -> None:
        """See the port; FAILED segments may go too."""
        with self._database.transaction() as connection:
            marked = _mark(connection, [segment_id], ["ready", "failed"])
            if not marked:
                raise _why_not(connection, segment_id)
            log(connection, who, "delete", segment_id, {})

    def stop_recording(self, camera_id: str, now_ms: int) -> UUID | None:
        """See the port."""
        with self._database.transaction() as connection:
            lock_camera(connection, camera_id)
            windows = load_growing(connection, camera_id)
            _, effects = step(windows, Stopped(now_ms), uuid4)
            return next(iter(apply(connection, camera_id, RecordingPolicy(), effects)), None)

    def cameras_with_clips(self) -> list[str]:
        """See the port."""
        rows = self._database.fetch("SELECT DISTINCT camera_id FROM segment_counters WHERE segments > 0 ORDER BY 1")
        return [row["camera_id"] for row in rows]

    def oldest(self, camera_id: str | None, limit: int) -> list[Clip]:
        """See the port."""
        rows = self._database.fetch(
            """
            SELECT id, camera_id, end_time, file_size_bytes FROM video_segments
             WHERE status = 'ready' AND NOT protected AND (%(camera)s::text IS NULL OR camera_id = %(camera)s)
             ORDER BY end_time LIMIT %(limit)s
            """,
            {"camera": camera_id, "limit": limit},
        )
        return [
            Clip(row["id"], row["camera_id"], to_ms(row["end_time"]), row["file_size_bytes"], protected=False)
            for row in rows
        ]

    def used_bytes(self) -> dict[str, int]:
        """See the port; clips that are marked but not yet gone count as free."""
        rows = self._database.fetch(
            "SELECT camera_id, sum(bytes)::bigint AS bytes FROM segment_counters GROUP BY camera_id"
        )
        return {row["camera_id"]: int(row["bytes"]) for row in rows}

    def mark_expiring(self, verdicts: Sequence[Verdict]) -> list[UUID]:
        """See the port; repeats every condition, for a person may have protected a clip since it was judged."""
        with self._database.transaction() as connection:
            return _mark(connection, [v.segment_id for v in verdicts], ["ready"])

    def expiring(self, grace_s: float, limit: int) -> list[tuple[UUID, str, str | None]]:
        """See the port."""
        rows = self._database.fetch(
            """
            SELECT id, file_path, thumbnail_path FROM video_segments
             WHERE status = 'expiring' AND archived_at < now() - make_interval(secs => %s)
             ORDER BY archived_at LIMIT %s
            """,
            grace_s,
            limit,
        )
        return [(row["id"], row["file_path"], row["thumbnail_path"]) for row in rows]

    def record_expired(self, segment_ids: Sequence[UUID]) -> None:
        """See the port; parts that a failed segment still has go when they are settled."""
        with self._database.transaction() as connection:
            connection.execute(
                """
                UPDATE video_segments SET status = 'expired', expired_at = now(), updated_at = now()
                 WHERE id = ANY(%s) AND status = 'expiring'
                """,
                [list(segment_ids)],
            )


def log(connection: Connection, who: str, action: str, segment_id: UUID | None, details: dict[str, Any]) -> None:
    """Write a line of the audit log in the caller's transaction."""
    connection.execute(
        "INSERT INTO audit_log (who, action, segment_id, details) VALUES (%s, %s, %s, %s)",
        [who, action, segment_id, Jsonb(details)],
    )


def _mark(connection: Connection, segment_ids: list[UUID], statuses: list[str]) -> list[UUID]:
    before = connection.execute(
        """
        SELECT id, camera_id, start_time, status, coalesce(file_size_bytes, 0) AS size,
               coalesce(duration_seconds, 0) AS duration
          FROM video_segments WHERE id = ANY(%s) AND NOT protected AND status = ANY(%s) ORDER BY id FOR UPDATE
        """,
        [segment_ids, statuses],
    ).fetchall()
    marked = as_uuids(before)
    connection.execute(
        """
        UPDATE video_segments SET status = 'expiring', archived_at = now(), updated_at = now() WHERE id = ANY(%s)
        """,
        [marked],
    )
    for row in before:
        if row["status"] == "ready":
            duration_ms = round(row["duration"] * 1000)
            count(connection, row["camera_id"], row["start_time"], -1, -row["size"], -duration_ms)
        emit(connection, "segment.deleted", {"segment_id": str(row["id"]), "camera_id": row["camera_id"]})
    return marked


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


def _args(where: SegmentFilter) -> dict[str, Any]:
    plate = where.plate
    if plate is not None:
        escaped = plate.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        plate = escaped.replace("*", "%").replace("?", "_")
    return {
        "camera_id": where.camera_id, "status": where.status, "archived": where.archived,
        "protected": where.protected, "plate": plate, "min_confidence": where.min_confidence,
        "from": None if where.from_ms is None else from_ms(where.from_ms),
        "to": None if where.to_ms is None else from_ms(where.to_ms),
    }  # fmt: skip


def _write_cursor(start_time: datetime, segment_id: UUID) -> str:
    return base64.urlsafe_b64encode(json.dumps([start_time.isoformat(), str(segment_id)]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        moment, identifier = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        start_time = datetime.fromisoformat(moment)
        to_ms(start_time)
        return start_time, UUID(identifier)
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise BadInput("cursor", "not a cursor of this list") from error
