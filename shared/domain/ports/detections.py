"""Where detections come in, and where events and tasks go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Detection
from shared.domain.policy import RecordingPolicy


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of the detections stream, not yet acknowledged."""

    entry_id: str
    fields: Mapping[bytes, bytes]


class DetectionStream(Protocol):
    """The durable stream of detections, read by a consumer group."""

    def publish(self, payload: bytes) -> str:
        """Append a detection's JSON; returns the entry's id."""

    def hint(self, detection_id: str) -> None:
        """Say that a detection's row is waiting."""

    def read(self, count: int, block_s: float) -> list[Delivery]:
        """New messages, and those whose reader died."""

    def ack(self, entry_ids: Sequence[str]) -> None:
        """These are done."""

    def reject(self, entry_id: str, payload: bytes, reason: str) -> None:
        """Keep a message that does not validate where people can find it."""

    def trim(self, older_than_ms: int) -> None:
        """Forget acknowledged messages older than this."""


class DetectionChannel(Protocol):
    """The Pub/Sub door: at most once, as Pub/Sub is."""

    def listen(self, timeout_s: float) -> list[bytes]:
        """Messages heard within the timeout; byte-identical ones within a second once, whoever listens."""


class EventSink(Protocol):
    """The stream of outgoing events."""

    def publish(self, name: str, body: Mapping[str, Any]) -> None:
        """Append one event; consumers may see it twice, its `event_id` tells."""


class EventFeed(Protocol):
    """The stream of outgoing events, as a listener reads it."""

    def last(self) -> str:
        """Id of the newest event; `0-0` when there is none."""

    def read(self, after: str, limit: int) -> list[tuple[str, dict[str, Any]]]:
        """Events after an id, in order: id, and the event with its name as `event`."""


class TaskQueue(Protocol):
    """Transport to the workers. A lost task is found again in the rows."""

    def send(self, task: str, payload: Mapping[str, Any]) -> None:
        """Publish a task by name."""

    def waiting(self, queue: str) -> int:
        """How many messages of a queue no worker has taken yet."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What accepting a detection did."""

    outcome: DetectionOutcome
    segment_ids: tuple[UUID, ...]
    reason: str | None = None


class Detections(Protocol):
    """Rows of detections."""

    def publish(self, detection: Detection) -> None:
        """Make the detection durable, `pending`; the same again is a no-op, another under its id a Conflict."""

    def accept(self, detections: Sequence[Detection], oldest_ms: int | None, policy: RecordingPolicy) -> list[Accepted]:
        """Record detections of one camera, each in one transaction with the window change it asks for. Idempotent."""

    def reject(self, detection: Detection, reason: str) -> None:
        """Record that a stored detection cannot be accepted."""

    def pending(self, older_than_s: float, limit: int) -> list[Detection]:
        """Detections whose hint was lost."""

    def get(self, detection_id: str) -> dict[str, Any] | None:
        """One detection's row."""

    def stored(self, detection_id: str) -> Detection | None:
        """One detection, as it was published."""
