"""Writes what the window machine decided.

Callers hold the camera's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import LiteralString
from uuid import UUID, uuid4

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.events import event_body
from shared.domain.errors import Retryable
from shared.domain.events import EventName
from shared.domain.gaps import GapCause
from shared.domain.lifecycle import SegmentStatus
from shared.domain.parts import closing_parts
from shared.domain.policy import RecordingPolicy
from shared.domain.recording import Closed, Effect, Extended, Late, Lengthened, Missed, Opened
from shared.domain.timing import from_ms, to_ms
from shared.domain.windows import Window
from shared.wire.keys import strip_key, thumbnail_key, video_key

_OFFSET: LiteralString = """
    round(extract(epoch FROM d.captured_at - coalesce(s.first_frame_at, s.start_time)) * 1000)
"""


def apply(
    connection: Connection,
    camera_id: str,
    policy: RecordingPolicy,
    effects: Iterable[Effect],
    *,
    confidences: Mapping[UUID, float] | None = None,
) -> list[UUID]:
    """Write the effects. Returns the segments they touched.

    confidences: by segment, the best of the detections that the caller links with it in this
    transaction. A new row has it at once: written later, it would cost every index an entry.
    """
    best = {} if confidences is None else confidences
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
                    best_confidence=best.get(window.segment_id),
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
    best_confidence: float | None,
) -> None:
    insert_segment(
        connection=connection,
        camera_id=camera_id,
        policy=policy,
        window=window,
        trigger_ms=trigger_ms,
        continues=continues,
        status=SegmentStatus.RECORDING,
        best_confidence=best_confidence,
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
    best_confidence: float | None = None,
) -> None:
    """Insert a segment's row, with its event.

    A closed one starts as `finalizing`, so that the camera keeps its one `recording`.
    """
    start, policy = from_ms(window.start_ms), policy.at(window.start_ms)
    keeps_status = window.growing or status is SegmentStatus.FAILED
    facts = {} if error is None else {"error": error}
    event = EventName(f"segment.{status}"), event_body(window.segment_id, camera_id, **facts)
    connection.execute(
        """
        WITH told AS (INSERT INTO outbox (name, body) VALUES (%s, %s))
        INSERT INTO video_segments (id, camera_id, status, file_path, thumbnail_path, strip_path, start_time, deadline,
               covered_to, trigger_time, continues, policy, codec, fps, error, late_ms, best_confidence)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            *event,
            window.segment_id,
            camera_id,
            status if keeps_status else SegmentStatus.FINALIZING,
            video_key(window.segment_id, window.start_ms),
            thumbnail_key(window.segment_id, window.start_ms),
            strip_key(window.segment_id, window.start_ms),
            start,
            from_ms(window.end_ms),
            start,
            from_ms(trigger_ms),
            continues,
            _stored(policy),
            policy.codec,
            policy.fps,
            error,
            window.late_ms,
            best_confidence,
        ],
    )


@lru_cache(maxsize=1_000)
def _stored(policy: RecordingPolicy) -> Jsonb:
    """Returns the row's column; cameras open segments with the same few policies."""
    return Jsonb(policy.to_json())


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
    if planned:
        connection.execute(
            """
            WITH planned AS (
                INSERT INTO segment_parts (id, segment_id, number, start_time, end_time)
                SELECT new.id, %(segment)s, last.number + new.nth, new.from_at, new.to_at
                  FROM unnest(%(ids)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
                       WITH ORDINALITY AS new (id, from_at, to_at, nth),
                       (SELECT coalesce(max(number), -1) AS number FROM segment_parts
                         WHERE segment_id = %(segment)s) last)
            UPDATE video_segments SET covered_to = %(until)s WHERE id = %(segment)s
            """,
            {
                "segment": segment_id,
                "ids": [uuid4() for _ in planned],
                "starts": [from_ms(start_ms) for start_ms, _ in planned],
                "ends": [from_ms(end_ms) for _, end_ms in planned],
                "until": from_ms(planned[-1][1]),
            },
        )
    return len(planned)


def link(
    connection: Connection,
    *,
    met: Sequence[tuple[UUID, str]],
    stretches: Sequence[tuple[str, UUID, int, int]],
) -> None:
    """Link recorded detections with segments.

    met: segment and detection id. stretches: camera, segment, start and end (ms) of what is newly
    covered; every recorded detection of the camera that asked for some of it is linked. Detections
    of earlier stretches are linked already.
    """
    if not met and not stretches:
        return
    connection.execute(
        f"""
        INSERT INTO segment_detections (segment_id, detection_id, camera_id, offset_ms)
        SELECT s.id, d.detection_id, d.camera_id, {_OFFSET}
          FROM (SELECT * FROM unnest(%s::uuid[], %s::text[]) AS met (segment_id, detection_id)
                UNION
                SELECT new.segment_id, w.detection_id
                  FROM unnest(%s::text[], %s::uuid[], %s::timestamptz[], %s::timestamptz[])
                       AS new (camera_id, segment_id, from_at, to_at)
                  JOIN detections w ON w.camera_id = new.camera_id AND w.outcome = 'recorded'
                   AND w.wanted && tstzrange(new.from_at, new.to_at)) pairs
          JOIN video_segments s ON s.id = pairs.segment_id
          JOIN detections d ON d.detection_id = pairs.detection_id AND d.camera_id = s.camera_id
        ON CONFLICT DO NOTHING
        """,
        [
            [segment_id for segment_id, _ in met],
            [detection_id for _, detection_id in met],
            [camera_id for camera_id, _, _, _ in stretches],
            [segment_id for _, segment_id, _, _ in stretches],
            [from_ms(start_ms) for _, _, start_ms, _ in stretches],
            [from_ms(end_ms) for _, _, _, end_ms in stretches],
        ],
    )
