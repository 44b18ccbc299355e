"""Rows of detections as the transaction of acceptance reads and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.pass_rows import box_list
from shared.domain.gaps import GapCause
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Detection
from shared.domain.ports import CameraBatch
from shared.domain.timing import from_ms

Key = tuple[str, str]  # detection id and camera


def key_of(detection: Detection) -> Key:
    """Returns what names a row: ids are per camera."""
    return detection.detection_id, detection.camera_id


def detection_row(
    batch: CameraBatch, detection: Detection, outcome: DetectionOutcome, pass_id: UUID
) -> dict[str, Any]:
    """Returns a detection's row."""
    policy = batch.policy
    span = detection.captured_ms - policy.buffer_ms, detection.captured_ms + policy.post_event_ms
    return {
        "detection_id": detection.detection_id,
        "camera_id": detection.camera_id,
        "captured_at": from_ms(detection.captured_ms).isoformat(),
        "confidence": detection.confidence,
        "plate": detection.plate,
        "bbox": box_list(detection.bbox),
        "attributes": dict(detection.attributes),
        "outcome": outcome,
        "reason": GapCause.BUFFER_EXPIRED if outcome is DetectionOutcome.EXPIRED else None,
        "wanted": _range_text(span) if outcome is DetectionOutcome.RECORDED else None,
        "pass_id": str(pass_id),
    }


def _range_text(span: tuple[int, int]) -> str:
    start, end = (from_ms(ms).isoformat() for ms in span)
    return f'["{start}","{end}")'


def try_cameras(connection: Connection, batches: Sequence[CameraBatch]) -> Cursor[DictRow]:
    """Take the locks of cameras that are free. The answer has a row for each of them.

    Who waits for no lock while having others is part of no deadlock. In a statement of its own:
    what a statement sees is settled before it takes a lock, so that one which asked for locks and
    rows together could miss what the last holder has just written.
    """
    return connection.execute(
        """
        SELECT camera_id FROM unnest(%s::text[]) AS camera_id
         WHERE pg_try_advisory_xact_lock(hashtextextended('camera:' || camera_id, 0))
        """,
        [[batch.camera_id for batch in batches]],
    )


def ask_stored(connection: Connection, batches: Sequence[CameraBatch]) -> Cursor[DictRow]:
    """The answer has a row for each detection, with what is stored of it."""
    detections = [each for batch in batches for each in batch.detections]
    return connection.execute(
        """
        SELECT given.detection_id, camera_id, d.captured_at, d.outcome, d.reason
          FROM unnest(%s::text[], %s::text[]) AS given (detection_id, camera_id)
          LEFT JOIN detections d USING (detection_id, camera_id)
        """,
        [
            [each.detection_id for each in detections],
            [each.camera_id for each in detections],
        ],
    )


def insert_detections(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert new detections. One that somebody else has stored meanwhile ends the transaction.

    One document instead of an array a column: a hundred detections cost the driver little more
    than one.
    """
    if rows:
        connection.execute(
            """
            INSERT INTO detections (detection_id, camera_id, captured_at, confidence, plate, bbox, attributes,
                   outcome, reason, wanted, pass_id)
            SELECT * FROM jsonb_to_recordset(%s) AS new (detection_id text, camera_id text,
                   captured_at timestamptz, confidence float8, plate text, bbox jsonb, attributes jsonb,
                   outcome text, reason text, wanted tstzrange, pass_id uuid)
            """,
            [Jsonb(rows)],
        )


def conclude_detections(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write what became of detections that waited as `pending`."""
    if rows:
        connection.execute(
            """
            UPDATE detections d SET outcome = new.outcome, reason = new.reason, wanted = new.wanted,
                   pass_id = new.pass_id
              FROM jsonb_to_recordset(%s) AS new (detection_id text, camera_id text, outcome text,
                   reason text, wanted tstzrange, pass_id uuid)
             WHERE d.detection_id = new.detection_id AND d.camera_id = new.camera_id
            """,
            [Jsonb(rows)],
        )


def drop_detections(connection: Connection, dropped: Sequence[tuple[Detection, bool]]) -> None:
    """Delete what was published and is not to be stored; count those that are counted."""
    if not dropped:
        return
    keys = [key_of(detection) for detection, _ in dropped]
    connection.execute(
        """
        DELETE FROM detections d USING unnest(%s::text[], %s::text[]) AS k (detection_id, camera_id)
         WHERE d.detection_id = k.detection_id AND d.camera_id = k.camera_id AND d.outcome = 'pending'
        """,
        [[detection_id for detection_id, _ in keys], [camera_id for _, camera_id in keys]],
    )
    counted = [detection for detection, is_counted in dropped if is_counted]
    if counted:
        connection.execute(
            """
            INSERT INTO read_changes (camera_id, day, kind, number)
            SELECT camera_id, (captured_at AT TIME ZONE 'UTC')::date, 'counted', count(*)
              FROM unnest(%s::text[], %s::timestamptz[]) AS seen (camera_id, captured_at) GROUP BY 1, 2
            """,
            [[each.camera_id for each in counted], [from_ms(each.captured_ms) for each in counted]],
        )
