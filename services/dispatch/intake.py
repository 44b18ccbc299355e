"""Detections in: every door, one validator.

A hold is set on reading, so that the footage stays while the row is written; a message is
acknowledged when its row is there. Handling one twice changes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from services.dispatch.dead_letters import DeadLetters
from services.dispatch.in_hand import InHand
from services.dispatch.newcomers import Newcomers
from services.dispatch.policies import Policies
from services.dispatch.recorder import REUSED, Recorder
from shared.domain.errors import BadInput, Retryable
from shared.domain.media import Detection
from shared.domain.names import CAMERA_ID, DETECTION_ID
from shared.domain.plate_lists import Match
from shared.domain.ports import (
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
from shared.runtime.metrics import DETECTIONS, RECEIVED, from_zero
from shared.wire.detections import (
    MAX_BYTES,
    parse_detection,
    payload_of,
)

BATCH = 200
LATE_HINT_SECONDS = 1.0
HINT, CAMERA = b"hint", b"camera"
# So often messages are read in one batch with others, and so often in all, until one is given up.
TRIES_TOGETHER, MOST_TRIES = 3, 8

Stored = Callable[[str, str], Detection | None]

_log = logger(__name__)
from_zero(RECEIVED, ("stream", "channel"))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakePorts:
    """What the intake needs of the world; `policies` has an entry per camera of the
    configuration. recorded: called after detections were stored, because events wait then.
    matches: which lists a detection's plate is on.
    """

    stream: DetectionStream
    channel: DetectionChannel
    rows: DetectionRows
    frames: FrameBuffer
    holds: Holds
    clock: Clock
    policies: Policies
    recorded: Callable[[], None] = lambda: None
    matches: Callable[[Detection], tuple[Match, ...]] = lambda _: ()


class Intake:
    """Reads the doors and records what is acceptable. One thread per door uses it."""

    def __init__(self, ports: IntakePorts) -> None:
        self._ports = ports
        self.in_hand = InHand(ports.stream, ports.clock)
        self._dead_letters = DeadLetters(ports.stream, ports.rows)
        self._recorder = Recorder(
            rows=ports.rows,
            frames=ports.frames,
            holds=ports.holds,
            policies=ports.policies,
            dead_letters=self._dead_letters,
            recorded=ports.recorded,
            matches=ports.matches,
            clock=ports.clock,
        )
        self._after: PendingMark | None = None

    def read_stream(self, block_s: float) -> int:
        """Take one batch of the stream. Returns how many messages it had.

        A message that was read several times and never settled may be what ended its readers. It is
        handled alone, and only its own count goes up; in the end it becomes a dead letter.
        """
        deliveries = self._ports.stream.read(BATCH, block_s)
        RECEIVED.labels("stream").inc(
            sum(each.tries == 0 and HINT not in each.fields for each in deliveries)
        )
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
        stored, new = self._stored(deliveries), Newcomers(self._ports.policies)
        for delivery in deliveries:
            try:
                detection = self._detection(delivery, stored, new)
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
        for recorded in self._recorder.record(detections.values()):
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
        """Forward Pub/Sub messages into the stream. Returns how many this process took."""
        channel, taken = self._ports.channel, 0
        for payload in channel.listen(timeout_s):
            if len(payload) <= MAX_BYTES:
                if channel.forward(payload):
                    RECEIVED.labels("channel").inc()
                    taken += 1
            elif channel.claim(payload):
                error = BadInput("detection", f"{len(payload)} bytes are over the limit")
                self._dead_letters.told("", payload, error)
                taken += 1
        return taken

    def read_pending(self) -> int:
        """Take stored detections whose hint was lost. Returns how many were settled.

        Page after page, so that those that cannot be recorded now do not hide those behind them.
        """
        page = self._ports.rows.pending(LATE_HINT_SECONDS, BATCH, self._after)
        self._after = page.last
        for camera_id, detection_id in page.broken:
            self._dead_letters.reject_row(camera_id, detection_id, "the row is no detection")
        known: list[Detection] = []
        new = Newcomers(self._ports.policies)
        for detection in page.detections:
            if detection.camera_id in self._ports.policies:
                known.append(detection)
            elif not new.may_be(detection.camera_id):
                camera_id = detection.camera_id
                reason = f"camera_id: no camera {camera_id} in the configuration"
                self._dead_letters.reject_row(camera_id, detection.detection_id, reason)
                DETECTIONS.labels("rejected").inc()
        return sum(map(len, self._recorder.record(known)))

    def _stored(self, deliveries: Sequence[DetectionDelivery]) -> Stored:
        """Returns what finds the detection of a hint: all of a batch are asked for at once."""
        rows = self._ports.rows
        hints = [_hint(delivery) for delivery in deliveries if HINT in delivery.fields]
        keys = [key for key in hints if key is not None and key[0] in self._ports.policies]
        if len(keys) > 1:
            try:
                return partial(_found, rows.stored_all(keys))
            except Retryable as error:
                return partial(_away, error)
            except Exception as error:  # noqa: BLE001 - each is asked for by itself, and says why
                _log.warning("hints_one_at_a_time", count=len(keys), error=repr(error))
        return rows.stored

    def _detection(
        self, delivery: DetectionDelivery, stored: Stored, new: Newcomers
    ) -> Detection | None:
        """Returns the detection of a message, or None when nothing is left to do for it; raises
        BadInput. One of a camera that was made a moment ago is Retryable: dispatch begins anew.
        """
        if HINT in delivery.fields:
            key = _hint(delivery)
            if key is None:
                raise BadInput(HINT.decode(), "no camera and id of a detection")
            return stored(*key) if key[0] in self._ports.policies else None
        payload = payload_of(delivery.fields)
        arrival_ms = int(delivery.entry_id.split("-")[0])
        detection = parse_detection(payload, arrival_ms=arrival_ms, entry_id=delivery.entry_id)
        if detection.camera_id not in self._ports.policies:
            if new.may_be(detection.camera_id):
                raise Retryable(f"camera {detection.camera_id} is new")
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
        return self._dead_letters.told(delivery.entry_id, raw, error)


def _hint(delivery: DetectionDelivery) -> tuple[str, str] | None:
    """Returns camera and id that a hint names, None where it names none."""
    identifier = delivery.fields[HINT].decode("utf-8", "replace")
    camera_id = delivery.fields.get(CAMERA, b"").decode("utf-8", "replace")
    named = DETECTION_ID.fullmatch(identifier) and CAMERA_ID.fullmatch(camera_id)
    return (camera_id, identifier) if named else None


def _found(
    stored: Mapping[tuple[str, str], Detection], camera_id: str, detection_id: str
) -> Detection | None:
    return stored.get((camera_id, detection_id))


def _away(error: Retryable, *_: str) -> Detection | None:
    raise error


def _readable(delivery: DetectionDelivery) -> bytes:
    fields = {
        k.decode("utf-8", "replace"): v.decode("utf-8", "replace")
        for k, v in delivery.fields.items()
    }
    return json.dumps(fields).encode()
