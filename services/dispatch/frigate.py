"""Puts the plates that Frigate reports over MQTT into the stream of detections."""

from __future__ import annotations

import json
from dataclasses import dataclass

from services.dispatch.dead_letters import DeadLetters
from shared.domain.errors import BadInput, Retryable
from shared.domain.ports import DetectionStream
from shared.runtime.metrics import RECEIVED
from shared.wire.bounded_json import load_json, printable
from shared.wire.doors import frigate
from shared.wire.doors.understood import Door

MOST_BYTES = 1_000_000
ENTRY = "mqtt"


def topics_of(prefix: str) -> list[str]:
    """Returns the topics on which Frigate tells of plates."""
    return [f"{prefix}/events", f"{prefix}/tracked_object_update"]


@dataclass(frozen=True, slots=True)
class FrigateReads:
    """Takes messages. Several dispatchers get each of them; their detections have one id."""

    stream: DetectionStream
    dead_letters: DeadLetters
    door: Door

    def take(self, payload: bytes) -> None:
        """Store the detections of a message; one that is no such message is a dead letter.

        Raises Retryable while the broker Redis is away.
        """
        try:
            understood = frigate.detections_of(_object(payload), self.door)
        except BadInput as error:
            self._reject(payload, error)
            return
        for _, detection in understood.detections:
            self.stream.publish(json.dumps(detection).encode())
            RECEIVED.labels(ENTRY).inc()
        for each in understood.skipped:
            if each.wrong:
                field, _, reason = each.reason.partition(": ")
                self._reject(payload, BadInput(field, reason))

    def _reject(self, payload: bytes, error: BadInput) -> None:
        if not self.dead_letters.told(ENTRY, payload, error):
            raise Retryable("the broker Redis does not answer")


def _object(payload: bytes) -> dict[str, object]:
    if len(payload) > MOST_BYTES:
        raise BadInput("message", f"{len(payload)} bytes are over the limit of {MOST_BYTES}")
    try:
        body = load_json(payload)
    except ValueError as error:
        raise BadInput("message", f"not JSON: {printable(str(error))}") from error
    if not isinstance(body, dict):
        raise BadInput("message", "not a JSON object")
    return body
