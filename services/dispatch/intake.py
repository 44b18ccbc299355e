"""Detections in: every door, one validator, one transaction each. The order is hold, row, task.

A hold is set on reading, so that the footage stays while the row is written; a message is
acknowledged when its row is there. Handling one twice changes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.dispatch.in_hand import InHand
from shared.domain.errors import BadInput, PlatereelError, Retryable
from shared.domain.lifecycle import ID_REUSED, DetectionOutcome
from shared.domain.media import Detection
from shared.domain.names import CAMERA_ID, DETECTION_ID
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import (
    Accepted,
    Clock,
    DetectionChannel,
    DetectionDelivery,
    DetectionRows,
    DetectionStream,
    FrameBuffer,
    Holds,
    PendingMark,
)
from shared.runtime.logs import logger
from shared.runtime.metrics import DETECTIONS, LATENESS, REJECTED
from shared.wire.detections import (
    MAX_BYTES,
    DetectionMessage,
    encode_detection,
    parse_detection,
    payload_of,
)

BATCH = 200
LATE_HINT_SECONDS = 1.0
HINT, CAMERA = b"hint", b"camera"
# So often messages are read in one batch with others, and so often in all, until one is given up.
TRIES_TOGETHER, MOST_TRIES = 3, 8
REUSED = f"{ID_REUSED}: the id was used before for another time"
FIELDS = frozenset(DetectionMessage.model_fields)

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakePorts:
    """What the intake needs of the world; `policies` has an entry per camera of the
    configuration.
    """

    stream: DetectionStream
    channel: DetectionChannel
    rows: DetectionRows
    frames: FrameBuffer
    holds: Holds
    clock: Clock
    policies: Mapping[str, RecordingPolicy]


class Intake:
    """Reads the doors and records what is acceptable. One thread per door uses it."""

    def __init__(self, ports: IntakePorts) -> None:
        self._ports = ports
        self.in_hand = InHand(ports.stream, ports.clock)
        self._after: PendingMark | None = None

    def read_stream(self, block_s: float) -> int:
        """Take one batch of the stream. Returns how many messages it had.

        A message that was read several times and never settled may be what ended its readers. It is
        handled alone, and only its own count goes up; in the end it becomes a dead letter.
        """
        deliveries = self._ports.stream.read(BATCH, block_s)
        with self.in_hand.working_on(deliveries):
            self._handle([delivery for delivery in deliveries if delivery.tries < TRIES_TOGETHER])
            self._handle_alone(
                [delivery for delivery in deliveries if delivery.tries >= TRIES_TOGETHER]
            )
        return len(deliveries)

    def _handle_alone(self, suspects: Sequence[DetectionDelivery]) -> None:
        stream = self._ports.stream
        stream.put_off([suspect.entry_id for suspect in suspects], TRIES_TOGETHER)
        for suspect in suspects:
            stream.put_off([suspect.entry_id], suspect.tries + 1)
            if suspect.tries < MOST_TRIES:
                self._handle([suspect])
            elif self._dead_letter(
                suspect, BadInput("detection", f"read {suspect.tries} times and never settled")
            ):
                self._settle([suspect.entry_id])

    def _handle(self, deliveries: Sequence[DetectionDelivery]) -> None:
        """Settle what can be settled now. The rest is put off, which does not count as a try."""
        detections: dict[tuple[str, str], Detection] = {}
        waiting: dict[tuple[str, str], list[str]] = defaultdict(list)
        settled: list[str] = []
        for delivery in deliveries:
            try:
                detection = self._detection(delivery)
                if detection is None:
                    settled.append(delivery.entry_id)
                    continue
                key = detection.camera_id, detection.detection_id
                if detections.setdefault(key, detection).captured_ms != detection.captured_ms:
                    raise BadInput("detection_id", REUSED)
                waiting[key].append(delivery.entry_id)
            except Retryable as error:
                _log.warning("detection_put_off", entry=delivery.entry_id, error=error.message)
            except Exception as error:  # noqa: BLE001 - whatever one message raises, its neighbours are recorded
                if self._dead_letter(delivery, error):
                    settled.append(delivery.entry_id)
        self._settle(settled)
        for recorded in self.record(detections.values()):
            done = [
                entry_id
                for each in recorded
                for entry_id in waiting[each.camera_id, each.detection_id]
            ]
            self._settle(done)
            settled += done
        left = {delivery.entry_id for delivery in deliveries} - set(settled)
        self._ports.stream.put_off(sorted(left))

    def _settle(self, entry_ids: Sequence[str]) -> None:
        self._ports.stream.ack(entry_ids)
        self.in_hand.settle(entry_ids)

    def read_channel(self, timeout_s: float) -> int:
        """Forward Pub/Sub messages into the stream. Returns how many there were."""
        heard = self._ports.channel.listen(timeout_s)
        for payload in heard:
            if len(payload) > MAX_BYTES:
                self._told(
                    "", payload, BadInput("detection", f"{len(payload)} bytes are over the limit")
                )
            else:
                self._ports.stream.publish(payload)
        return len(heard)

    def read_pending(self) -> int:
        """Take stored detections whose hint was lost. Returns how many were settled.

        Page after page, so that those that cannot be recorded now do not hide those behind them.
        """
        page = self._ports.rows.pending(LATE_HINT_SECONDS, BATCH, self._after)
        self._after = page.last
        for camera_id, detection_id in page.broken:
            self._reject_row(camera_id, detection_id, "the row is no detection")
        known: list[Detection] = []
        for detection in page.detections:
            if detection.camera_id in self._ports.policies:
                known.append(detection)
            else:
                camera_id = detection.camera_id
                reason = f"camera_id: no camera {camera_id} in the configuration"
                self._reject_row(camera_id, detection.detection_id, reason)
                DETECTIONS.labels("rejected").inc()
        return sum(map(len, self.record(known)))

    def _detection(self, delivery: DetectionDelivery) -> Detection | None:
        """Returns the detection of a message, or None when nothing is left to do for it; raises
        BadInput.
        """
        if HINT in delivery.fields:
            identifier = delivery.fields[HINT].decode("utf-8", "replace")
            camera_id = delivery.fields.get(CAMERA, b"").decode("utf-8", "replace")
            if DETECTION_ID.fullmatch(identifier) is None or CAMERA_ID.fullmatch(camera_id) is None:
                raise BadInput(HINT.decode(), "no camera and id of a detection")
            return (
                self._ports.rows.stored(camera_id, identifier)
                if camera_id in self._ports.policies
                else None
            )
        payload = payload_of(delivery.fields)
        arrival_ms = int(delivery.entry_id.split("-")[0])
        detection = parse_detection(payload, arrival_ms=arrival_ms, entry_id=delivery.entry_id)
        if detection.camera_id not in self._ports.policies:
            raise BadInput("camera_id", f"no camera {detection.camera_id} in the configuration")
        return detection

    def _dead_letter(self, delivery: DetectionDelivery, error: Exception) -> bool:
        """Store a message that is no detection as a dead letter.

        Returns False when that must be tried again.
        """
        raw = (
            next(iter(delivery.fields.values()))
            if len(delivery.fields) == 1
            else _readable(delivery)
        )
        return self._told(delivery.entry_id, raw, error)

    def _told(self, entry_id: str, payload: bytes, error: Exception) -> bool:
        reason = (
            error.message
            if isinstance(error, PlatereelError)
            else f"detection: {type(error).__name__}"
        )
        try:
            self._ports.stream.reject(entry_id, payload, reason)
        except Retryable:
            return False
        field = (
            error.field
            if isinstance(error, BadInput) and error.field.isidentifier()
            else "detection"
        )
        REJECTED.labels(field if field in FIELDS else "detection").inc()
        _log.warning("detection_rejected", entry=entry_id, reason=reason)
        return True

    def _reject_row(self, camera_id: str, detection_id: str, reason: str) -> None:
        try:
            self._ports.rows.reject(camera_id, detection_id, reason)
        except PlatereelError as error:
            told = {"camera_id": camera_id, "detection_id": detection_id}
            _log.warning("detection_not_rejected", **told, error=error.message)

    def record(self, detections: Iterable[Detection]) -> Iterable[list[Detection]]:
        """Record detections, camera by camera in order of capture.

        Yields those that are settled, camera by camera. A camera whose detections cannot be stored
        now keeps its messages unacknowledged; they come again.
        """
        cameras: dict[str, list[Detection]] = defaultdict(list)
        for detection in sorted(detections, key=lambda d: d.captured_ms):
            cameras[detection.camera_id].append(detection)
        for camera_id, batch in cameras.items():
            try:
                self._record_camera(camera_id, batch)
            except Retryable as error:
                _log.warning(
                    "detections_put_off", camera_id=camera_id, count=len(batch), error=error.message
                )
                continue
            except Exception as error:  # noqa: BLE001 - whatever one detection raises, its neighbours are recorded
                yield from self._one_by_one(batch, error)
                continue
            yield batch

    def _one_by_one(self, batch: list[Detection], error: Exception) -> Iterable[list[Detection]]:
        """Record detections one by one, so that one that cannot be stored does not hold up the
        others of its camera.
        """
        if len(batch) > 1:
            for detection in batch:
                yield from self.record([detection])
            return
        (detection,) = batch
        if self._told("", encode_detection(detection), error):
            _log.error("detection_failed", detection_id=detection.detection_id, error=repr(error))
            self._reject_row(detection.camera_id, detection.detection_id, repr(error))
            yield [detection]

    def _record_camera(self, camera_id: str, batch: list[Detection]) -> None:
        policy = self._ports.policies[camera_id]
        # Never the name of a segment's hold, whatever a detector calls its detection: no id of a
        # segment has a colon.
        holders = {
            f"d:{d.detection_id}": d.captured_ms - policy.buffer_ms
            for d in batch
            if _may_record(d, policy)
        }
        bounds = None
        if holders:
            self._ports.holds.hold(camera_id, holders)
            bounds = self._ports.frames.bounds([camera_id]).get(camera_id)
        oldest_ms, newest_ms = (
            (None, None) if bounds is None else (bounds.oldest_ms, bounds.newest_ms)
        )
        accepted = self._ports.rows.accept(batch, oldest_ms, policy, newest_ms)
        segments: dict[str, int] = {}
        for detection, answer in zip(batch, accepted, strict=True):
            self._count(detection, answer)
            if newest_ms is not None:
                LATENESS.labels(camera_id).observe(max(0, newest_ms - detection.captured_ms) / 1000)
            if answer.outcome is DetectionOutcome.RECORDED:
                start_ms = detection.captured_ms - policy.buffer_ms
                for segment_id in map(str, answer.segment_ids):
                    segments[segment_id] = min(segments.get(segment_id, start_ms), start_ms)
        if segments:
            # A segment's own hold is the pacer's to move; only a new segment takes over its
            # detection's.
            known = self._ports.holds.holds(camera_id)
            new = {k: v for k, v in segments.items() if k not in known}
            self._ports.holds.hold(camera_id, new)
            if new and newest_ms is not None:
                _tell_late(batch[0], newest_ms, policy)
        self._ports.holds.release(camera_id, holders)

    def _count(self, detection: Detection, answer: Accepted) -> None:
        DETECTIONS.labels(str(answer.outcome)).inc()
        _log.info(
            "detection",
            detection_id=detection.detection_id,
            camera_id=detection.camera_id,
            plate=detection.plate,
            outcome=str(answer.outcome),
            segments=[str(s) for s in answer.segment_ids],
            reason=answer.reason,
        )
        if answer.reason == ID_REUSED:
            self._told("", encode_detection(detection), BadInput("detection_id", REUSED))


def _may_record(detection: Detection, policy: RecordingPolicy) -> bool:
    return detection.confidence > policy.min_confidence


def _tell_late(first: Detection, newest_ms: int, policy: RecordingPolicy) -> None:
    """Log what would help where a recording begins without its whole pre-roll."""
    late_s = (newest_ms - first.captured_ms) / 1000
    if late_s > policy.trigger_slack_seconds:
        hint = "trigger_slack_seconds of at least this gives them their whole pre-roll"
        _log.warning("detections_late", camera_id=first.camera_id, late_seconds=late_s, hint=hint)


def _readable(delivery: DetectionDelivery) -> bytes:
    fields = {
        k.decode("utf-8", "replace"): v.decode("utf-8", "replace")
        for k, v in delivery.fields.items()
    }
    return json.dumps(fields).encode()
