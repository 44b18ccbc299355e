"""The transaction in which detections become passes and footage.

It has two exchanges with the server, however many detections and cameras: one asks what is there,
the passes and the window machine decide, and one writes it all and commits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from psycopg import Cursor
from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.detection_rows import (
    Key,
    ask_stored,
    conclude_detections,
    detection_row,
    drop_detections,
    insert_detections,
    key_of,
    try_cameras,
)
from shared.adapters.postgres.events import emit_all
from shared.adapters.postgres.pass_hits import PassMatch, cooling, try_plates, write_hits
from shared.adapters.postgres.pass_rows import ask_passes, passes_in, widen, write_passes
from shared.adapters.postgres.window_rows import ask_windows, windows_in
from shared.adapters.postgres.windows import apply, insert_segment, link
from shared.domain.detected_batch import detected_all, joined
from shared.domain.events import EventName
from shared.domain.gaps import GapCause
from shared.domain.judgement import hits, judged
from shared.domain.lifecycle import ID_REUSED, DetectionOutcome, SegmentStatus
from shared.domain.media import Detection
from shared.domain.passes import CameraPasses, Pass, Variant
from shared.domain.plate_lists import Match
from shared.domain.ports import Accepted, CameraBatch
from shared.domain.recording import LONGEST_MISSED_MS, Detected, Effect, lateness, stretches_of
from shared.domain.timing import from_ms, to_ms
from shared.domain.windows import CameraWindows, Window


@dataclass(frozen=True, slots=True)
class Asked:
    """Statements whose answers are not awaited yet: the cameras whose lock this transaction has,
    those of plates on lists that cool down, the rows of the detections, and the windows and passes
    near them.
    """

    cameras: Cursor[DictRow]
    plates: Cursor[DictRow] | None
    rows: Cursor[DictRow]
    windows: Cursor[DictRow]
    passes: Cursor[DictRow]


@dataclass(slots=True)
class _Plan:
    """What a transaction writes, and what it answers."""

    inserted: list[dict[str, Any]] = field(default_factory=list)
    concluded: list[dict[str, Any]] = field(default_factory=list)
    passes: list[tuple[str, Pass, Mapping[str, Variant]]] = field(default_factory=list)
    gone: dict[UUID, UUID] = field(default_factory=dict)
    matches: list[PassMatch] = field(default_factory=list)
    dropped: list[tuple[Detection, bool]] = field(default_factory=list)
    changes: list[tuple[CameraBatch, list[Effect]]] = field(default_factory=list)
    confidences: dict[UUID, float] = field(default_factory=dict)
    met: list[tuple[UUID, str]] = field(default_factory=list)
    stretches: list[tuple[str, UUID, int, int]] = field(default_factory=list)
    missed: list[tuple[CameraBatch, list[Detection]]] = field(default_factory=list)
    events: list[tuple[EventName, Mapping[str, Any]]] = field(default_factory=list)
    settled: list[Key] = field(default_factory=list)
    answers: dict[Key, Accepted] = field(default_factory=dict)


@dataclass(slots=True)
class _Camera:
    """A camera's detections that are not settled, its passes before and after them, and what
    becomes of each.
    """

    batch: CameraBatch
    passes: CameraPasses
    before: dict[UUID, Pass]
    fresh: list[Detection] = field(default_factory=list)
    places: dict[Key, UUID] = field(default_factory=dict)
    outcomes: dict[Key, DetectionOutcome] = field(default_factory=dict)
    matches: list[tuple[Detection, Match]] = field(default_factory=list)


def ask(connection: Connection, batches: Sequence[CameraBatch]) -> Asked:
    """Take the locks that are free, and ask what is there."""
    wanted = [
        (batch.camera_id, *span)
        for batch in batches
        for span in joined(given.wanted for given in _given(batch, batch.detections))
    ]
    near = [
        (
            batch.camera_id,
            min(each.captured_ms for each in batch.detections) - batch.policy.pass_gap_ms,
            max(each.captured_ms for each in batch.detections) + batch.policy.pass_gap_ms,
        )
        for batch in batches
    ]
    plates = set().union(*map(cooling, batches))
    return Asked(
        cameras=try_cameras(connection, batches),
        plates=try_plates(connection, plates) if plates else None,
        rows=ask_stored(connection, batches),
        windows=ask_windows(connection, wanted),
        passes=ask_passes(connection, near),
    )


def record(
    connection: Connection, asked: Asked, batches: Sequence[CameraBatch]
) -> dict[str, list[Accepted]]:
    """Record the detections of the cameras whose locks were free. Returns the answers by camera."""
    mine = {row["camera_id"] for row in asked.cameras.fetchall()}
    stored = {(row["detection_id"], row["camera_id"]): row for row in asked.rows.fetchall()}
    windows = windows_in(asked.windows.fetchall())
    passes = passes_in(asked.passes.fetchall())
    plates = set() if asked.plates is None else {row["name"] for row in asked.plates.fetchall()}
    chosen = [each for each in batches if each.camera_id in mine and cooling(each) <= plates]
    plan = _Plan()
    for batch in chosen:
        before = passes.get(batch.camera_id, {})
        near = CameraPasses(batch.policy.pass_gap_ms, uuid4, dict(before))
        camera = _Camera(batch, near, before)
        _take(plan, camera, stored)
        if near.gone:
            widen(connection, batch.camera_id, near, before)
        _decide(plan, camera, windows.get(batch.camera_id, CameraWindows()))
        _keep(plan, camera, stored)
    _write(connection, plan)
    if plan.settled:
        plan.answers |= _answers(connection, plan.settled, stored)
    return {
        batch.camera_id: [plan.answers[key_of(detection)] for detection in batch.detections]
        for batch in chosen
    }


def _take(plan: _Plan, camera: _Camera, stored: Mapping[Key, DictRow]) -> None:
    """Put what is new of a camera's detections into passes, and say what needs no window."""
    for detection in camera.batch.detections:
        key = key_of(detection)
        row = stored[key]
        if row["captured_at"] is not None and to_ms(row["captured_at"]) != detection.captured_ms:
            plan.answers[key] = Accepted(DetectionOutcome.REJECTED, (), ID_REUSED)
            continue
        if row["outcome"] not in {None, DetectionOutcome.PENDING}:
            plan.settled.append(key)
            continue
        _place(plan, camera, detection)
    plan.answers |= {key: Accepted(outcome, ()) for key, outcome in camera.outcomes.items()}


def _place(plan: _Plan, camera: _Camera, detection: Detection) -> None:
    """Put one detection into its pass, unless it is not to be stored."""
    key, policy = key_of(detection), camera.batch.policy
    matches = camera.batch.matches.get(detection.detection_id, ())
    of_hit = camera.passes.joins_hit(detection)
    judgement = judged(detection, policy, matches, of_hit=of_hit)
    if not judgement.stored:
        plan.dropped.append((detection, judgement.counted))
        plan.answers[key] = Accepted(DetectionOutcome.IGNORED, (), "not stored")
        return
    late_ms = lateness(detection.captured_ms, camera.batch.newest_ms, policy.most_late_ms)
    pass_id = camera.passes.place(detection, late_ms)
    camera.fresh.append(detection)
    camera.places[key] = pass_id
    if detection.confidence > policy.min_confidence:
        camera.matches += [(detection, match) for match in matches]
        if hits(matches):
            camera.passes.note_hit(pass_id)
    if judgement.outcome is not None:
        camera.outcomes[key] = judgement.outcome
    elif camera.passes.hear(camera.passes.now(pass_id), detection, policy.max_pass_ms):
        camera.outcomes[key] = DetectionOutcome.QUIET


def _decide(plan: _Plan, camera: _Camera, before: CameraWindows) -> None:
    """Let the window machine take what is to be recorded."""
    batch = camera.batch
    loud = [each for each in camera.fresh if key_of(each) not in camera.outcomes]
    after, effects, met = detected_all(before, _given(batch, loud), uuid4)
    plan.changes.append((batch, effects))
    plan.stretches += [(batch.camera_id, *stretch) for stretch in after.beyond(before)]
    missed: list[Detection] = []
    for detection, segment_ids in zip(loud, met, strict=True):
        key = key_of(detection)
        if segment_ids is None:
            missed.append(detection)
            camera.outcomes[key] = DetectionOutcome.EXPIRED
        else:
            _meet(plan, detection, segment_ids)
            camera.outcomes[key] = DetectionOutcome.RECORDED
            camera.passes.note_recorded(camera.places[key])
    _miss(plan, batch, missed)


def _keep(plan: _Plan, camera: _Camera, stored: Mapping[Key, DictRow]) -> None:
    """Note the rows of a camera's detections and passes."""
    for detection in camera.fresh:
        key = key_of(detection)
        pass_id = camera.passes.now(camera.places[key])
        row = detection_row(camera.batch, detection, camera.outcomes[key], pass_id)
        (plan.inserted if stored[key]["outcome"] is None else plan.concluded).append(row)
    plan.matches += [
        PassMatch(camera.passes.now(camera.places[key_of(detection)]), detection, match)
        for detection, match in camera.matches
    ]
    plan.gone |= {was: camera.passes.now(was) for was in camera.passes.gone if was in camera.before}
    for pass_id, now in camera.passes.passes.items():
        was = camera.before.get(pass_id)
        if now != was:
            known = {} if was is None else was.variants
            new = {key: each for key, each in now.variants.items() if known.get(key) != each}
            plan.passes.append((camera.batch.camera_id, now, new))
            if now.key is not None and (was is None or was.key != now.key):
                plan.events.append((EventName.PLATE_READ, _read_body(camera, now, was)))


def _read_body(camera: _Camera, now: Pass, was: Pass | None) -> dict[str, Any]:
    """Returns the body of `plate.read`; `instead_of` is the plate that was told before."""
    return {
        "pass_id": str(now.pass_id),
        "camera_id": camera.batch.camera_id,
        "plate": now.plate,
        "instead_of": None if was is None else was.plate,
        "confidence": now.best.confidence,
        "captured_at": from_ms(now.best.captured_ms).isoformat(),
        "first_at": from_ms(now.first_ms).isoformat(),
        "detection_id": now.best.detection_id,
        "attributes": dict(now.attributes),
    }


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


def _write(connection: Connection, plan: _Plan) -> None:
    """Write the plan. Nothing here waits for an answer, but what closes or lengthens a window."""
    write_passes(connection, plan.passes, plan.gone)
    insert_detections(connection, plan.inserted)
    conclude_detections(connection, plan.concluded)
    drop_detections(connection, plan.dropped)
    write_hits(connection, plan.matches)
    emit_all(connection, plan.events)
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
