"""Loads a camera's windows and writes what the window machine decided.

Callers hold the camera's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID, uuid4

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from psycopg.types.range import TimestamptzRange

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.events import emit
from shared.domain.errors import Retryable
from shared.domain.events import EventName
from shared.domain.gaps import GapCause
from shared.domain.lifecycle import SegmentStatus
from shared.domain.parts import closing_parts
from shared.domain.policy import RecordingPolicy
from shared.domain.recording import Closed, Effect, Extended, Late, Lengthened, Missed, Opened
from shared.domain.timing import from_ms, to_ms
from shared.domain.windows import CameraWindows, Window
from shared.wire.keys import thumbnail_key, video_key

_FILLABLE: LiteralString = """
    coalesce(status = 'finalizing' AND grows_until > clock_timestamp() AND lease_token IS NULL, false)
"""

_OFFSET: LiteralString = """
    round(extract(epoch FROM d.captured_at - coalesce(s.first_frame_at, s.start_time)) * 1000)
"""


def load_windows(
    connection: Connection, camera_id: str, start_ms: int, end_ms: int
) -> CameraWindows:
    """Returns live windows that meet or touch [start, end), the growing one, and the next one after
    it.
    """
    rows = connection.execute(
        f"""
        SELECT id, start_time, deadline, status, late_ms, {_FILLABLE} AS fillable FROM video_segments
         WHERE camera_id = %(camera)s AND status IN ('recording', 'finalizing', 'ready')
           AND (status = 'recording' OR tstzrange(start_time, deadline, '[]') && tstzrange(%(start)s, %(end)s, '[]'))
        UNION
        (SELECT id, start_time, deadline, status, late_ms, {_FILLABLE} AS fillable FROM video_segments
          WHERE camera_id = %(camera)s AND status IN ('recording', 'finalizing', 'ready') AND start_time >= %(end)s
          ORDER BY start_time LIMIT 1)
        ORDER BY start_time
        """,
        {"camera": camera_id, "start": from_ms(start_ms), "end": from_ms(end_ms)},
    ).fetchall()
    return CameraWindows(
        tuple(
            Window(
                segment_id=row["id"],
                start_ms=to_ms(row["start_time"]),
                end_ms=to_ms(row["deadline"]),
                growing=row["status"] == "recording",
                late_ms=row["late_ms"],
                fillable=row["fillable"],
            )
            for row in rows
        )
    )


def load_growing(connection: Connection, camera_id: str) -> CameraWindows:
    """Returns the camera's open recording alone."""
    row = connection.execute(
        "SELECT id, start_time, deadline, late_ms FROM video_segments WHERE camera_id = %s AND status = 'recording'",
        [camera_id],
    ).fetchone()
    if row is None:
        return CameraWindows()
    start_ms, end_ms = to_ms(row["start_time"]), to_ms(row["deadline"])
    return CameraWindows(
        (Window(row["id"], start_ms, end_ms, growing=True, late_ms=row["late_ms"]),)
    )


def apply(
    connection: Connection, camera_id: str, policy: RecordingPolicy, effects: Iterable[Effect]
) -> list[UUID]:
    """Write the effects. Returns the segments they touched."""
    touched: list[UUID] = []
    for effect in effects:
        match effect:
            case Opened(window, trigger_ms, continues):
                _open(
                    connection=connection,
                    camera_id=camera_id,
                    policy=policy,
                    window=window,
                    trigger_ms=trigger_ms,
                    continues=continues,
                )
                touched.append(window.segment_id)
            case Extended(segment_id, end_ms):
                connection.execute(
                    "UPDATE video_segments SET deadline = %s, updated_at = now() WHERE id = %s",
                    [from_ms(end_ms), segment_id],
                )
                touched.append(segment_id)
            case Late(segment_id, late_ms):
                connection.execute(
                    "UPDATE video_segments SET late_ms = %s WHERE id = %s", [late_ms, segment_id]
                )
                touched.append(segment_id)
            case Lengthened(segment_id, end_ms, late_ms):
                _lengthen(connection, segment_id, from_ms(end_ms), late_ms)
                touched.append(segment_id)
            case Closed(segment_id, end_ms, early):
                _close(connection, segment_id, from_ms(end_ms), early)
                touched.append(segment_id)
            case Missed():
                continue
    return touched


def _open(
    connection: Connection,
    camera_id: str,
    policy: RecordingPolicy,
    window: Window,
    trigger_ms: int,
    continues: UUID | None,
) -> None:
    insert_segment(
        connection=connection,
        camera_id=camera_id,
        policy=policy,
        window=window,
        trigger_ms=trigger_ms,
        continues=continues,
        status=SegmentStatus.RECORDING,
    )
    if not window.growing:
        _close(connection, window.segment_id, from_ms(window.end_ms))
    if window.fillable:
        _wait(connection, window.segment_id, window.late_ms)


def insert_segment(
    connection: Connection,
    camera_id: str,
    policy: RecordingPolicy,
    window: Window,
    trigger_ms: int,
    continues: UUID | None,
    status: SegmentStatus,
    error: str | None = None,
) -> None:
    """Insert a segment's row.

    A closed one starts as `finalizing`, so that the camera keeps its one `recording`.
    """
    start, policy = from_ms(window.start_ms), policy.at(window.start_ms)
    keeps_status = window.growing or status is SegmentStatus.FAILED
    connection.execute(
        """
        INSERT INTO video_segments (id, camera_id, status, file_path, thumbnail_path, start_time, deadline, covered_to,
               trigger_time, continues, policy, codec, fps, error, late_ms)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            window.segment_id,
            camera_id,
            status if keeps_status else SegmentStatus.FINALIZING,
            video_key(window.segment_id, window.start_ms),
            thumbnail_key(window.segment_id, window.start_ms),
            start,
            from_ms(window.end_ms),
            start,
            from_ms(trigger_ms),
            continues,
            Jsonb(policy.to_json()),
            policy.codec,
            policy.fps,
            error,
            window.late_ms,
        ],
    )
    facts = {} if error is None else {"error": error}
    emit(connection, EventName(f"segment.{status}"), window.segment_id, camera_id, **facts)


def _close(
    connection: Connection, segment_id: UUID, end: datetime, early: GapCause | None = None
) -> None:
    """Make the window final and plan every part that it still lacks.

    It never ends before what is planned already.
    """
    row = connection.execute(
        """
        UPDATE video_segments SET status = 'finalizing', deadline = greatest(%s, covered_to), closed_early = %s,
               updated_at = now()
         WHERE id = %s RETURNING covered_to, deadline, policy
        """,
        [end, early, segment_id],
    ).fetchone()
    if row is not None:
        _plan_rest(connection, segment_id, row)


def _lengthen(connection: Connection, segment_id: UUID, end: datetime, late_ms: int) -> None:
    """Let a window that was born closed end later.

    An offer to join it is void, because it lacks parts.
    """
    row = connection.execute(
        """
        UPDATE video_segments SET deadline = %s, late_ms = %s, offer = offer + 1, offered_at = NULL, updated_at = now()
         WHERE id = %s AND status = 'finalizing' AND lease_token IS NULL RETURNING covered_to, deadline, policy
        """,
        [end, late_ms, segment_id],
    ).fetchone()
    if row is None:
        raise Retryable("its clip is being joined now", segment_id=str(segment_id))
    _plan_rest(connection, segment_id, row)
    _wait(connection, segment_id, late_ms)


def _wait(connection: Connection, segment_id: UUID, late_ms: int) -> None:
    """Let a segment that was born closed wait for late detections before it is joined.

    The next detection can lengthen it as long as their distance is under the post-roll, so it waits
    that long.
    """
    connection.execute(
        """
        UPDATE video_segments SET grows_until =
               now() + make_interval(secs => least(%s / 1000.0, (policy ->> 'post_event_seconds')::float8))
         WHERE id = %s
        """,
        [late_ms, segment_id],
    )


def _plan_rest(connection: Connection, segment_id: UUID, row: DictRow) -> None:
    policy = RecordingPolicy.from_json(row["policy"])
    stretches = closing_parts(to_ms(row["covered_to"]), to_ms(row["deadline"]), policy.part_ms)
    plan_parts(connection, segment_id, stretches)


def plan_parts(
    connection: Connection, segment_id: UUID, stretches: Iterable[tuple[int, int]]
) -> int:
    """Insert parts after the last one; their ranges never change again. Returns how many."""
    planned = list(stretches)
    if not planned:
        return 0
    row = connection.execute(
        "SELECT coalesce(max(number), -1) + 1 AS next FROM segment_parts WHERE segment_id = %s",
        [segment_id],
    ).fetchone()
    first = 0 if row is None else int(row["next"])
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO segment_parts (id, segment_id, number, start_time, end_time) VALUES (%s, %s, %s, %s, %s)",
            [
                (uuid4(), segment_id, number, from_ms(start), from_ms(end))
                for number, (start, end) in enumerate(planned, first)
            ],
        )
    connection.execute(
        "UPDATE video_segments SET covered_to = %s WHERE id = %s",
        [from_ms(planned[-1][1]), segment_id],
    )
    return len(planned)


def wanted_range(start_ms: int, end_ms: int) -> TimestamptzRange:
    """Returns the footage that a detection asks for, as Postgres stores it."""
    return TimestamptzRange(from_ms(start_ms), from_ms(end_ms), "[)")


def link(
    connection: Connection, camera_id: str, stretches: Sequence[tuple[UUID, int, int]]
) -> None:
    """Link recorded detections with segments that now cover some of what they asked for.

    stretches: segment, start and end (ms) of what is newly covered. Detections of earlier stretches
    are linked already.
    """
    if not stretches:
        return
    connection.execute(
        f"""
        INSERT INTO segment_detections (segment_id, detection_id, camera_id, offset_ms)
        SELECT s.id, d.detection_id, d.camera_id, {_OFFSET}
          FROM unnest(%s::uuid[], %s::tstzrange[]) AS new (segment_id, span)
          JOIN video_segments s ON s.id = new.segment_id
          JOIN detections d ON d.camera_id = %s AND d.outcome = 'recorded' AND d.wanted && new.span
        ON CONFLICT DO NOTHING
        """,
        [
            [segment_id for segment_id, _, _ in stretches],
            [wanted_range(start_ms, end_ms) for _, start_ms, end_ms in stretches],
            camera_id,
        ],
    )


def link_detection(
    connection: Connection, key: tuple[str, str], segment_ids: Iterable[UUID]
) -> None:
    """Link one detection, by its id and its camera, with segments."""
    connection.execute(
        f"""
        INSERT INTO segment_detections (segment_id, detection_id, camera_id, offset_ms)
        SELECT s.id, d.detection_id, d.camera_id, {_OFFSET} FROM video_segments s, detections d
         WHERE s.id = ANY(%s) AND d.detection_id = %s AND d.camera_id = %s
        ON CONFLICT DO NOTHING
        """,
        [list(segment_ids), *key],
    )
