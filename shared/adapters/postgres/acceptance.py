"""The transaction in which detections become footage.

It has two exchanges with the server, however many detections and cameras: one stores the detections
and asks what is there, the window machine decides, and one writes it all and commits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from psycopg import Cursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.window_rows import ask_windows, windows_in
from shared.adapters.postgres.windows import apply, insert_segment, link
from shared.domain.detected_batch import detected_all, joined
from shared.domain.errors import Retryable
from shared.domain.gaps import GapCause
from shared.domain.lifecycle import ID_REUSED, DetectionOutcome, SegmentStatus
from shared.domain.media import Detection
from shared.domain.ports import Accepted, CameraBatch
from shared.domain.recording import LONGEST_MISSED_MS, Detected, Effect, lateness, stretches_of
from shared.domain.timing import from_ms, to_ms
from shared.domain.windows import CameraWindows, Window

Key = tuple[str, str]  # detection id and camera


@dataclass(frozen=True, slots=True)
class Asked:
    """Statements whose answers are not awaited yet: the rows of the detections, of the cameras
    whose lock this transaction has, and the windows near them.
    """

    rows: Cursor[DictRow]
    windows: Cursor[DictRow]


@dataclass(slots=True)
class _Plan:
    """What a transaction writes beside the new rows of detections, and what it answers."""

    concluded: list[dict[str, Any]] = field(default_factory=list)
    changes: list[tuple[CameraBatch, list[Effect]]] = field(default_factory=list)
    confidences: dict[UUID, float] = field(default_factory=dict)
    met: list[tuple[UUID, str]] = field(default_factory=list)
    stretches: list[tuple[str, UUID, int, int]] = field(default_factory=list)
    missed: list[tuple[CameraBatch, list[Detection]]] = field(default_factory=list)
    settled: list[Key] = field(default_factory=list)
    answers: dict[Key, Accepted] = field(default_factory=dict)


def ask(connection: Connection, batches: Sequence[CameraBatch]) -> Asked:
    """Take the locks that are free, insert what is new under them, and ask what is there.

    New detections are inserted as what they become unless their footage is gone; `record` corrects
    those. Until the commit nobody else sees them.
    """
    ranges = [
        (batch.camera_id, *span)
        for batch in batches
        for span in joined(given.wanted for given in _given(batch, batch.detections))
    ]
    return Asked(_put(connection, batches), ask_windows(connection, ranges))


def record(
    connection: Connection, asked: Asked, batches: Sequence[CameraBatch]
) -> dict[str, list[Accepted]]:
    """Record the detections of the cameras whose lock was free. Returns the answers by camera."""
    stored = {(row["detection_id"], row["camera_id"]): row for row in asked.rows.fetchall()}
    windows = windows_in(asked.windows.fetchall())
    mine = {camera_id for _, camera_id in stored}
    chosen, plan = [batch for batch in batches if batch.camera_id in mine], _Plan()
    for batch in chosen:
        _decide(plan, batch, stored, windows.get(batch.camera_id, CameraWindows()))
    _write(connection, plan)
    if plan.settled:
        plan.answers |= _answers(connection, plan.settled, stored)
    return {
        batch.camera_id: [plan.answers[key_of(detection)] for detection in batch.detections]
        for batch in chosen
    }


def _decide(
    plan: _Plan, batch: CameraBatch, stored: Mapping[Key, DictRow], before: CameraWindows
) -> None:
    """Let the window machine take what is new of a camera's detections."""
    new: list[Detection] = []
    for detection in batch.detections:
        key = key_of(detection)
        row = stored[key]
        if row["captured_at"] is None:  # committed after our statement began; the next try sees it
            raise Retryable("somebody else has just stored it", detection_id=detection.detection_id)
        if to_ms(row["captured_at"]) != detection.captured_ms:
            plan.answers[key] = Accepted(DetectionOutcome.REJECTED, (), ID_REUSED)
        elif not row["is_new"] and row["outcome"] != DetectionOutcome.PENDING:
            plan.settled.append(key)
        elif detection.confidence <= batch.policy.min_confidence:
            plan.answers[key] = Accepted(DetectionOutcome.BELOW_THRESHOLD, ())
            plan.concluded += [] if row["is_new"] else [_row(batch, detection)]
        else:
            new.append(detection)
    given = _given(batch, new)
    after, effects, met = detected_all(before, given, uuid4)
    plan.changes.append((batch, effects))
    plan.stretches += [(batch.camera_id, *stretch) for stretch in after.beyond(before)]
    missed: list[Detection] = []
    for detection, segment_ids in zip(new, met, strict=True):
        if segment_ids is None:
            missed.append(detection)
            continue
        _meet(plan, detection, segment_ids)
        if not stored[key_of(detection)]["is_new"]:
            plan.concluded.append(_row(batch, detection))
    _miss(plan, batch, missed)


def _meet(plan: _Plan, detection: Detection, segment_ids: tuple[UUID, ...]) -> None:
    plan.answers[key_of(detection)] = Accepted(DetectionOutcome.RECORDED, segment_ids)
    for segment_id in segment_ids:
        plan.met.append((segment_id, detection.detection_id))
        best = max(detection.confidence, plan.confidences.get(segment_id, 0.0))
        plan.confidences[segment_id] = best


def _miss(plan: _Plan, batch: CameraBatch, missed: Sequence[Detection]) -> None:
    """One FAILED segment for all of them, an hour of them at most."""
    moments = stretches_of([detection.captured_ms for detection in missed], LONGEST_MISSED_MS)
    for first_ms, last_ms in ((stretch[0], stretch[-1]) for stretch in moments):
        together = [d for d in missed if first_ms <= d.captured_ms <= last_ms]
        plan.missed.append((batch, together))
        plan.concluded += [_row(batch, d, gone=True) for d in together]


def _given(batch: CameraBatch, detections: Iterable[Detection]) -> list[Detected]:
    policy = batch.policy
    return [
        Detected(
            captured_ms=detection.captured_ms,
            buffer_ms=policy.buffer_ms,
            post_event_ms=policy.post_event_ms,
            max_segment_ms=policy.max_segment_ms,
            oldest_ms=batch.oldest_ms,
            late_ms=lateness(detection.captured_ms, batch.newest_ms, policy.most_late_ms),
            border_ms=policy.border_ms,
        )
        for detection in detections
    ]


def _row(batch: CameraBatch, detection: Detection, *, gone: bool = False) -> dict[str, Any]:
    """A detection's row. gone: its footage had left the buffer."""
    box, policy = detection.bbox, batch.policy
    recorded = detection.confidence > policy.min_confidence and not gone
    outcome = DetectionOutcome.RECORDED if recorded else DetectionOutcome.BELOW_THRESHOLD
    span = detection.captured_ms - policy.buffer_ms, detection.captured_ms + policy.post_event_ms
    return {
        "detection_id": detection.detection_id,
        "camera_id": detection.camera_id,
        "captured_at": from_ms(detection.captured_ms).isoformat(),
        "confidence": detection.confidence,
        "plate": detection.plate,
        "bbox": None if box is None else [box.x, box.y, box.width, box.height],
        "attributes": dict(detection.attributes),
        "outcome": DetectionOutcome.EXPIRED if gone else outcome,
        "reason": GapCause.BUFFER_EXPIRED if gone else None,
        "wanted": _range_text(span) if recorded else None,
    }


def _range_text(span: tuple[int, int]) -> str:
    start, end = (from_ms(ms).isoformat() for ms in span)
    return f'["{start}","{end}")'


def _put(connection: Connection, batches: Sequence[CameraBatch]) -> Cursor[DictRow]:
    """Take the locks that are free and insert what is new of their cameras, all seen by nobody else
    until the commit. The answer has a row for each of their detections, new or as it was found.

    Who waits for no lock while having others is part of no deadlock. One document instead of an
    array a column: a hundred detections cost the driver little more than one.
    """
    return connection.execute(
        """
        WITH mine AS MATERIALIZED (
            SELECT camera_id FROM unnest(%s::text[]) AS camera_id
             WHERE pg_try_advisory_xact_lock(hashtextextended('camera:' || camera_id, 0))
        ), given AS MATERIALIZED (
            SELECT new.* FROM jsonb_to_recordset(%s) AS new (detection_id text, camera_id text,
                   captured_at timestamptz, confidence float8, plate text, bbox jsonb, attributes jsonb,
                   outcome text, reason text, wanted tstzrange) JOIN mine USING (camera_id)
        ), put AS (
            INSERT INTO detections (detection_id, camera_id, captured_at, confidence, plate, bbox, attributes,
                   outcome, reason, wanted)
            SELECT * FROM given ON CONFLICT DO NOTHING RETURNING *
        )
        SELECT detection_id, camera_id, coalesce(p.captured_at, d.captured_at) AS captured_at,
               d.outcome, d.reason, p.detection_id IS NOT NULL AS is_new
          FROM given LEFT JOIN put p USING (detection_id, camera_id)
          LEFT JOIN detections d USING (detection_id, camera_id)
        """,
        [
            [batch.camera_id for batch in batches],
            Jsonb([_row(batch, detection) for batch in batches for detection in batch.detections]),
        ],
    )


def _write(connection: Connection, plan: _Plan) -> None:
    """Write the plan. Nothing here waits for an answer, but what closes or lengthens a window."""
    if plan.concluded:
        connection.execute(
            """
            UPDATE detections d SET outcome = new.outcome, reason = new.reason, wanted = new.wanted
              FROM jsonb_to_recordset(%s) AS new (detection_id text, camera_id text, outcome text,
                   reason text, wanted tstzrange)
             WHERE d.detection_id = new.detection_id AND d.camera_id = new.camera_id
            """,
            [Jsonb(plan.concluded)],
        )
    for batch, effects in plan.changes:
        apply(connection, batch.camera_id, batch.policy, effects, confidences=plan.confidences)
    link(connection, met=plan.met, stretches=plan.stretches)
    for batch, missed in plan.missed:
        answer = _failed_segment(connection, missed, batch)
        plan.answers |= {key_of(detection): answer for detection in missed}


def _answers(
    connection: Connection, keys: Sequence[Key], stored: Mapping[Key, DictRow]
) -> dict[Key, Accepted]:
    """Returns what became of detections that are settled already."""
    segments: dict[Key, list[UUID]] = defaultdict(list)
    for row in connection.execute(
        """
        SELECT l.segment_id, l.detection_id, l.camera_id
          FROM unnest(%s::text[], %s::text[]) AS k (detection_id, camera_id)
          JOIN segment_detections l USING (detection_id, camera_id)
        """,
        [[detection_id for detection_id, _ in keys], [camera_id for _, camera_id in keys]],
    ).fetchall():
        segments[row["detection_id"], row["camera_id"]].append(row["segment_id"])
    return {
        key: Accepted(
            DetectionOutcome(stored[key]["outcome"]), tuple(segments[key]), stored[key]["reason"]
        )
        for key in keys
    }


def _failed_segment(
    connection: Connection, missed: Sequence[Detection], batch: CameraBatch
) -> Accepted:
    """Insert one FAILED segment for detections whose footage had left the buffer."""
    start_ms = min(d.captured_ms for d in missed) - batch.policy.buffer_ms
    end_ms = max(d.captured_ms for d in missed) + batch.policy.post_event_ms
    segment_id = uuid4()
    insert_segment(
        connection=connection,
        camera_id=batch.camera_id,
        policy=batch.policy,
        window=Window(segment_id, start_ms, end_ms, growing=False),
        trigger_ms=missed[0].captured_ms,
        continues=None,
        status=SegmentStatus.FAILED,
        error=GapCause.BUFFER_EXPIRED,
        best_confidence=max(d.confidence for d in missed),
    )
    link(connection, met=[(segment_id, d.detection_id) for d in missed], stretches=[])
    return Accepted(DetectionOutcome.EXPIRED, (segment_id,), GapCause.BUFFER_EXPIRED)


def key_of(detection: Detection) -> Key:
    """Returns what names a row: ids are per camera."""
    return detection.detection_id, detection.camera_id
