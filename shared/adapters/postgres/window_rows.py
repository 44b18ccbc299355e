"""Loads a camera's windows, as the window machine takes them.

Callers hold the camera's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import LiteralString
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection
from shared.domain.lifecycle import SegmentStatus
from shared.domain.timing import from_ms, to_ms
from shared.domain.windows import CameraWindows, Window

_FILLABLE: LiteralString = """
    coalesce(status = 'finalizing' AND grows_until > clock_timestamp() AND lease_token IS NULL, false)
"""

_WINDOW: LiteralString = f"""
    camera_id, id, start_time, deadline, status, late_ms, {_FILLABLE} AS fillable
"""

_NEAR: LiteralString = f"""
    SELECT {_WINDOW} FROM video_segments WHERE camera_id = r.camera_id AND status = 'recording'
    UNION
    SELECT {_WINDOW} FROM video_segments
     WHERE camera_id = r.camera_id AND status IN ('recording', 'finalizing', 'ready')
       AND tstzrange(start_time, deadline, '[]') && tstzrange(r.from_at, r.to_at, '[]')
    UNION
    (SELECT {_WINDOW} FROM video_segments
      WHERE camera_id = r.camera_id AND status IN ('recording', 'finalizing', 'ready') AND start_time >= r.to_at
      ORDER BY start_time LIMIT 1)
"""
_NEAR_ONE: LiteralString = f"""
    SELECT s.* FROM (SELECT %s::text AS camera_id, %s::timestamptz AS from_at, %s::timestamptz AS to_at) r
     CROSS JOIN LATERAL ({_NEAR}) s ORDER BY s.start_time
"""
_NEAR_MANY: LiteralString = f"""
    SELECT s.* FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS r (camera_id, from_at, to_at)
     CROSS JOIN LATERAL ({_NEAR}) s ORDER BY s.start_time
"""


def ask_windows(connection: Connection, ranges: Sequence[tuple[str, int, int]]) -> Cursor[DictRow]:
    """Ask for live windows near ranges of cameras (camera, start and end in ms; see `windows_in`):
    those that meet or touch a range, the growing one, and the next one after it.

    One range has a statement of its own: its plan is kept, where that for any number of ranges is
    made anew each time, which takes longer than to run it.
    """
    if len(ranges) == 1:
        ((camera_id, start_ms, end_ms),) = ranges
        return connection.execute(_NEAR_ONE, [camera_id, from_ms(start_ms), from_ms(end_ms)])
    cameras, starts, ends = zip(*ranges, strict=True)
    return connection.execute(
        _NEAR_MANY, [list(cameras), [from_ms(ms) for ms in starts], [from_ms(ms) for ms in ends]]
    )


def windows_in(rows: Iterable[DictRow]) -> dict[str, CameraWindows]:
    """Returns the windows of the rows that `ask_windows` asked for, by camera."""
    found: dict[str, dict[UUID, Window]] = {}
    for row in rows:
        found.setdefault(row["camera_id"], {})[row["id"]] = Window(
            segment_id=row["id"],
            start_ms=to_ms(row["start_time"]),
            end_ms=to_ms(row["deadline"]),
            growing=row["status"] == SegmentStatus.RECORDING,
            late_ms=row["late_ms"],
            fillable=row["fillable"],
        )
    return {
        camera_id: CameraWindows(tuple(windows.values())) for camera_id, windows in found.items()
    }


def load_growing(connection: Connection, camera_id: str) -> DictRow | None:
    """Returns the row of the camera's open recording, None where it has none."""
    return connection.execute(
        """
        SELECT id, start_time, deadline, late_ms, covered_to, policy FROM video_segments
         WHERE camera_id = %s AND status = 'recording'
        """,
        [camera_id],
    ).fetchone()


def growing_alone(row: DictRow | None) -> CameraWindows:
    """Returns the window of the row of an open recording."""
    if row is None:
        return CameraWindows()
    start_ms, end_ms = to_ms(row["start_time"]), to_ms(row["deadline"])
    window = Window(row["id"], start_ms, end_ms, growing=True, late_ms=row["late_ms"])
    return CameraWindows((window,))
