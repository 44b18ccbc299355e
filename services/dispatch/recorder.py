"""Records detections. The order is hold, row, task.

A batch of several cameras is one exchange with each server and one commit. Where that fails, each
camera is tried by itself, and where that fails, each detection: what cannot be recorded harms only
itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.dispatch.dead_letters import DeadLetters
from services.dispatch.policies import Policies
from shared.domain.errors import BadInput, Retryable
from shared.domain.lifecycle import ID_REUSED, DetectionOutcome
from shared.domain.media import Detection
from shared.domain.plate_lists import ListKind, Match
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import (
    Accepted,
    BoundsByCamera,
    CameraBatch,
    Clock,
    DetectionRows,
    FrameBuffer,
    HandOver,
    Holds,
)
from shared.runtime.logs import logger
from shared.runtime.metrics import (
    DETECTION_AGE,
    DETECTIONS,
    HITS,
    LATENESS,
    from_zero,
)
from shared.runtime.tracing import tell
from shared.wire.detections import encode_detection

REUSED = f"{ID_REUSED}: the id was used before for another time"
Batches = Mapping[str, Sequence[Detection]]
Accept = Callable[[Sequence[CameraBatch]], Mapping[str, Sequence[Accepted]]]

_log = logger(__name__)
from_zero(DETECTIONS, DetectionOutcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """What recording needs of the world; `policies` has an entry per camera of the configuration.

    recorded: called after each commit, because events wait now. matches: which lists a detection's
    plate is on.
    """

    rows: DetectionRows
    frames: FrameBuffer
    holds: Holds
    policies: Policies
    dead_letters: DeadLetters
    recorded: Callable[[], None]
    matches: Callable[[Detection], tuple[Match, ...]]
    clock: Clock

    def record(self, detections: Iterable[Detection]) -> Iterable[list[Detection]]:
        """Record detections, those of a camera in order of capture.

        Yields those that are settled. A camera whose detections cannot be stored now keeps its
        messages unacknowledged; they come again.
        """
        cameras: dict[str, list[Detection]] = defaultdict(list)
        for detection in sorted(detections, key=lambda d: d.captured_ms):
            cameras[detection.camera_id].append(detection)
        if len(cameras) > 1:
            done = self._together(cameras)
            yield [detection for camera_id in done for detection in cameras.pop(camera_id)]
        for camera_id, batch in cameras.items():
            yield from self._alone(camera_id, batch)

    def _together(self, cameras: Batches) -> set[str]:
        """Returns the cameras whose detections are settled."""
        try:
            return self._record(cameras, self.rows.accept_all)
        except Exception as error:  # noqa: BLE001 - whatever one raises, the others are recorded
            _log.warning("detections_one_camera_at_a_time", cameras=len(cameras), error=repr(error))
            return set()

    def _alone(self, camera_id: str, batch: list[Detection]) -> Iterable[list[Detection]]:
        try:
            self._record({camera_id: batch}, self._accept)
        except Retryable as error:
            _log.warning(
                "detections_put_off", camera_id=camera_id, count=len(batch), error=error.message
            )
        except Exception as error:  # noqa: BLE001 - whatever one detection raises, its neighbours are recorded
            yield from self._one_by_one(batch, error)
        else:
            yield batch

    def _one_by_one(self, batch: list[Detection], error: Exception) -> Iterable[list[Detection]]:
        """Record detections one by one, so that one that cannot be stored does not hold up the
        others of its camera.
        """
        if len(batch) > 1:
            for detection in batch:
                yield from self._alone(detection.camera_id, [detection])
            return
        (detection,) = batch
        if self.dead_letters.told("", encode_detection(detection), error):
            _log.error("detection_failed", detection_id=detection.detection_id, error=repr(error))
            self.dead_letters.reject_row(detection.camera_id, detection.detection_id, repr(error))
            yield [detection]

    def _accept(self, batches: Sequence[CameraBatch]) -> Mapping[str, Sequence[Accepted]]:
        """As `accept_all`, then waits for whoever changes a camera's windows."""
        answers = dict(self.rows.accept_all(batches))
        for batch in batches:
            if batch.camera_id not in answers:
                answers[batch.camera_id] = self.rows.accept(
                    batch.detections,
                    batch.oldest_ms,
                    batch.policy,
                    batch.newest_ms,
                    matches=batch.matches,
                )
        return answers

    def _record(self, cameras: Batches, accept: Accept) -> set[str]:
        """Hold, store, hand the holds over. Returns the cameras whose detections are settled."""
        began = self.clock.monotonic()
        holds = {camera_id: self._holders(camera_id, batch) for camera_id, batch in cameras.items()}
        wanted = {camera_id: each for camera_id, each in holds.items() if each}
        bounds = self.frames.hold_then_bounds(wanted) if wanted else BoundsByCamera()
        policies = self.policies.now(cameras)  # after the bounds, as the pacer does
        batches = [
            self._batch(camera_id, batch, bounds, policies[camera_id])
            for camera_id, batch in cameras.items()
            if camera_id not in bounds.away | policies.away
        ]
        answers = accept(batches)
        self.recorded()
        chosen = [batch for batch in batches if batch.camera_id in answers]
        for batch in chosen:
            self._count(batch, answers[batch.camera_id], self.clock.monotonic() - began)
        return self._hand_over(chosen, answers, holds)

    def _batch(
        self,
        camera_id: str,
        detections: Sequence[Detection],
        bounds: BoundsByCamera,
        policy: RecordingPolicy,
    ) -> CameraBatch:
        found = bounds.get(camera_id)
        matches = {each.detection_id: self.matches(each) for each in detections if each.plate}
        return CameraBatch(
            camera_id=camera_id,
            detections=detections,
            policy=policy,
            oldest_ms=None if found is None else found.oldest_ms,
            newest_ms=None if found is None else found.newest_ms,
            matches={name: each for name, each in matches.items() if each},
        )

    def _holders(self, camera_id: str, batch: Iterable[Detection]) -> dict[str, int]:
        """Never the name of a segment's hold, whatever a detector calls its detection: no id of a
        segment has a colon.
        """
        policy = self.policies.configured[camera_id]
        return {
            f"d:{detection.detection_id}": detection.captured_ms - policy.buffer_ms
            for detection in batch
            if detection.confidence > policy.min_confidence
        }

    def _hand_over(
        self,
        batches: Sequence[CameraBatch],
        answers: Mapping[str, Sequence[Accepted]],
        holds: Mapping[str, Mapping[str, int]],
    ) -> set[str]:
        """A segment's own hold is the pacer's to move; only a new segment takes over its
        detection's. Returns the cameras that are settled.
        """
        changes = {
            batch.camera_id: HandOver(
                _starts(batch, answers[batch.camera_id]), holds[batch.camera_id].keys()
            )
            for batch in batches
            if holds[batch.camera_id]
        }
        new = self.holds.hand_over(changes) if changes else {}
        for batch in batches:
            if new.get(batch.camera_id) and batch.newest_ms is not None:
                _tell_late(batch.detections[0], batch.newest_ms, batch.policy)
        return {b.camera_id for b in batches if b.camera_id not in changes or b.camera_id in new}

    def _count(self, batch: CameraBatch, answers: Sequence[Accepted], seconds: float) -> None:
        for detection, answer in zip(batch.detections, answers, strict=True):
            tell(
                "record detection",
                [detection.detection_id],
                seconds,
                camera_id=detection.camera_id,
                outcome=str(answer.outcome),
                segments=", ".join(map(str, answer.segment_ids)),
            )
            DETECTIONS.labels(str(answer.outcome)).inc()
            DETECTION_AGE.observe(max(0, self.clock.now_ms() - detection.captured_ms) / 1000)
            for match in batch.matches.get(detection.detection_id, ()):
                if match.plate_list.kind is ListKind.WATCH:
                    HITS.labels(match.plate_list.name).inc()
            if batch.newest_ms is not None:
                late_ms = max(0, batch.newest_ms - detection.captured_ms)
                LATENESS.labels(batch.camera_id).observe(late_ms / 1000)
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
                self.dead_letters.told(
                    "", encode_detection(detection), BadInput("detection_id", REUSED)
                )


def _starts(batch: CameraBatch, answers: Sequence[Accepted]) -> dict[str, int]:
    """Returns the oldest frame that each segment needs for these detections."""
    starts: dict[str, int] = {}
    for detection, answer in zip(batch.detections, answers, strict=True):
        if answer.outcome is DetectionOutcome.RECORDED:
            start_ms = detection.captured_ms - batch.policy.buffer_ms
            for segment_id in map(str, answer.segment_ids):
                starts[segment_id] = min(starts.get(segment_id, start_ms), start_ms)
    return starts


def _tell_late(first: Detection, newest_ms: int, policy: RecordingPolicy) -> None:
    """Log what would help where a recording begins without its whole pre-roll."""
    late_s = (newest_ms - first.captured_ms) / 1000
    if late_s > policy.trigger_slack_seconds:
        hint = "trigger_slack_seconds of at least this gives them their whole pre-roll"
        _log.warning("detections_late", camera_id=first.camera_id, late_seconds=late_s, hint=hint)
