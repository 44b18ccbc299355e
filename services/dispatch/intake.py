"""Detections in: every door, one validator, one transaction each.

Order: hold, row, task. A hold is set on reading, so that the footage stays while the row is being written; a message is
acknowledged when its row is there. Handling one twice changes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from shared.domain.errors import BadInput, PlatereelError, Retryable
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Detection
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Clock, Delivery, DetectionChannel, Detections, DetectionStream, FrameBuffer, Holds
from shared.runtime.logs import logger
from shared.runtime.metrics import DETECTIONS, REJECTED
from shared.wire.detections import encode_detection, parse_detection, payload_of

BATCH = 200
LATE_HINT_SECONDS = 1.0
HINT = b"hint"

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class IntakePorts:
    """What the intake needs of the world; `policies` has an entry per camera of the configuration."""

    stream: DetectionStream
    channel: DetectionChannel
    rows: Detections
    frames: FrameBuffer
    holds: Holds
    clock: Clock
    policies: dict[str, RecordingPolicy]


class Intake:
    """Reads the doors and records what is acceptable. Used by one thread per door; keeps no state of its own."""

    def __init__(self, ports: IntakePorts) -> None:
        self._ports = ports

    def read_stream(self, block_s: float) -> int:
        """Take one batch of the stream; how many messages it had."""
        deliveries = self._ports.stream.read(BATCH, block_s)
        detections: dict[str, Detection] = {}
        done: list[str] = []
        waiting: dict[str, list[str]] = defaultdict(list)
        for delivery in deliveries:
            detection = self._parsed(delivery)
            if detection is None:
                done.append(delivery.entry_id)
            else:
                detections.setdefault(detection.detection_id, detection)
                waiting[detection.detection_id].append(delivery.entry_id)
        self._ports.stream.ack(done)
        for handled in self.record(detections.values()):
            self._ports.stream.ack(waiting[handled])
        return len(deliveries)

    def read_channel(self, timeout_s: float) -> int:
        """Forward what Pub/Sub says into the stream; how many messages it had."""
        heard = self._ports.channel.listen(timeout_s)
        for payload in heard:
            self._ports.stream.publish(payload)
        return len(heard)

    def read_pending(self) -> int:
        """Take durable detections whose hint was lost; how many there were."""
        pending = self._ports.rows.pending(LATE_HINT_SECONDS, BATCH)
        for detection in pending:
            if detection.camera_id not in self._ports.policies:
                self._ports.rows.reject(detection, f"camera_id: no camera {detection.camera_id} in the configuration")
                DETECTIONS.labels("rejected").inc()
        known = [detection for detection in pending if detection.camera_id in self._ports.policies]
        return len(list(self.record(known)))

    def _parsed(self, delivery: Delivery) -> Detection | None:
        """The detection of a message, or None when there is nothing (more) to do for it."""
        if HINT in delivery.fields:
            identifier = delivery.fields[HINT].decode("utf-8", "replace")
            detection = self._ports.rows.stored(identifier)
            if detection is not None and detection.camera_id in self._ports.policies:
                return detection
            return None
        try:
            payload = payload_of(delivery.fields)
            arrival_ms = int(delivery.entry_id.split("-")[0])
            detection = parse_detection(payload, arrival_ms=arrival_ms, entry_id=delivery.entry_id)
            if detection.camera_id not in self._ports.policies:
                raise BadInput("camera_id", f"no camera {detection.camera_id} in the configuration")
        except BadInput as error:
            self._reject(delivery, error)
            return None
        return detection

    def _reject(self, delivery: Delivery, error: BadInput) -> None:
        raw = next(iter(delivery.fields.values())) if len(delivery.fields) == 1 else _readable(delivery)
        self._ports.stream.reject(delivery.entry_id, raw, error.message)
        REJECTED.labels(error.field if error.field.isidentifier() else "detection").inc()
        _log.warning("detection_rejected", entry=delivery.entry_id, reason=error.message)

    def record(self, detections: Iterable[Detection]) -> Iterable[str]:
        """Record detections, camera by camera in order of capture; yields the ids that are settled.

        A camera whose detections cannot be stored now keeps its messages unacknowledged: they come again.
        """
        cameras: dict[str, list[Detection]] = defaultdict(list)
        for detection in sorted(detections, key=lambda d: d.captured_ms):
            cameras[detection.camera_id].append(detection)
        for camera_id, batch in cameras.items():
            try:
                self._record_camera(camera_id, batch)
            except Retryable as error:
                _log.warning("detections_put_off", camera_id=camera_id, count=len(batch), error=error.message)
                continue
            except PlatereelError as error:
                yield from self._one_by_one(batch, error)
                continue
            yield from (detection.detection_id for detection in batch)

    def _one_by_one(self, batch: list[Detection], error: PlatereelError) -> Iterable[str]:
        """One detection that cannot be stored, whoever's fault it is, must not hold up the others of its camera."""
        if len(batch) > 1:
            for detection in batch:
                yield from self.record([detection])
            return
        (detection,) = batch
        self._ports.stream.reject("", encode_detection(detection), error.message)
        self._ports.rows.reject(detection, error.message)
        REJECTED.labels("detection").inc()
        _log.error("detection_failed", detection_id=detection.detection_id, error=error.message)
        yield detection.detection_id

    def _record_camera(self, camera_id: str, batch: list[Detection]) -> None:
        policy = self._ports.policies[camera_id]
        holders = {d.detection_id: d.captured_ms - policy.buffer_ms for d in batch if _may_record(d, policy)}
        oldest_ms = None
        if holders:
            self._ports.holds.hold(camera_id, holders)
            bounds = self._ports.frames.bounds([camera_id]).get(camera_id)
            oldest_ms = None if bounds is None else bounds.oldest_ms
        accepted = self._ports.rows.accept(batch, oldest_ms, policy)
        segments: dict[str, int] = {}
        for detection, answer in zip(batch, accepted, strict=True):
            DETECTIONS.labels(str(answer.outcome)).inc()
            if answer.outcome is DetectionOutcome.RECORDED:
                start_ms = detection.captured_ms - policy.buffer_ms
                for segment_id in map(str, answer.segment_ids):
                    segments[segment_id] = min(segments.get(segment_id, start_ms), start_ms)
            _log.info(
                "detection", detection_id=detection.detection_id, camera_id=camera_id, plate=detection.plate,
                outcome=str(answer.outcome), segments=[str(s) for s in answer.segment_ids], reason=answer.reason,
            )  # fmt: skip
        if segments:
            # A segment's own hold is the pacer's to move; only a new segment takes over its detection's.
            known = self._ports.holds.holds(camera_id)
            self._ports.holds.hold(camera_id, {k: v for k, v in segments.items() if k not in known})
        self._ports.holds.release(camera_id, holders)


def _may_record(detection: Detection, policy: RecordingPolicy) -> bool:
    return detection.confidence > policy.min_confidence


def _readable(delivery: Delivery) -> bytes:
    fields = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in delivery.fields.items()}
    return json.dumps(fields).encode()
