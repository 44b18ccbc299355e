"""Where detections come in, and where events and tasks go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from shared.domain.events import Event
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Detection
from shared.domain.policy import RecordingPolicy
from shared.domain.segment import StoredDetection


@dataclass(frozen=True, slots=True)
class DetectionDelivery:
    """One message of the detections stream, not yet acknowledged.

    tries: how often it was read before without being settled or put off. waited_s: for how long it lay in the stream,
    by the broker's clock.
    """

    entry_id: str
    fields: Mapping[bytes, bytes]
    tries: int = 0
    waited_s: float = 0.0


class DetectionStream(Protocol):
    """The durable stream of detections, read by a consumer group."""

    def publish(self, payload: bytes) -> str:
        """Append a detection's JSON; returns the entry's id."""

    def hint(self, camera_id: str, detection_id: str) -> None:
        """Say that a detection's row is waiting."""

    def read(self, count: int, block_s: float) -> list[DetectionDelivery]:
        """New messages, and those whose reader died."""

    def ack(self, entry_ids: Sequence[str]) -> None:
        """These are done."""

    def put_off(self, entry_ids: Sequence[str], tries: int = 0) -> None:
        """These are read again in a while, as if they had been read `tries` times; those settled meanwhile are not."""

    def keep(self, entry_ids: Sequence[str]) -> None:
        """These are still being worked on; nobody else reads them for a while. Those lost meanwhile stay lost."""

    def unread_s(self) -> float:
        """For how long the oldest message that nobody has read has waited, in seconds; 0 when all are read."""

    def reject(self, entry_id: str, payload: bytes, reason: str) -> None:
        """Keep a message that does not validate where people can find it, at most its first 64 KiB."""

    def forget_readers(self, idle_s: float) -> int:
        """Remove consumers that have read nothing for so long and have nothing pending. Returns how many."""

    def trim(self, older_than_ms: int) -> None:
        """Forget acknowledged messages older than this."""


class DetectionChannel(Protocol):
    """The Pub/Sub door: at most once, as Pub/Sub is."""

    def listen(self, timeout_s: float) -> list[bytes]:
        """Messages heard within the timeout; byte-identical ones within a second once, whoever listens."""


class EventSink(Protocol):
    """The stream of outgoing events."""

    def publish_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str | None]:
        """Append events (name and body) in order, in one exchange; consumers may see one twice, its `event_id` tells.

        Returns why an event was not taken, None for one that was.
        """


class EventFeed(Protocol):
    """The stream of outgoing events, as a listener reads it."""

    def last(self) -> str:
        """Id of the newest event; `0-0` when there is none."""

    def read(self, after: str, limit: int) -> list[Event]:
        """Events after an id, in order."""


class TaskQueue(Protocol):
    """Transport to the workers. A lost task is found again in the rows."""

    def send(self, task: str, payload: Mapping[str, Any]) -> None:
        """Publish a task by name."""

    def send_all(self, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[bool]:
        """Publish several; which of them went out."""

    def waiting(self, queue: str) -> int:
        """How many messages of a queue no worker has taken yet."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What accepting a detection did."""

    outcome: DetectionOutcome
    segment_ids: tuple[UUID, ...]
    reason: str | None = None


PendingMark = tuple[datetime, str, str]


@dataclass(frozen=True, slots=True)
class PendingPage:
    """Detections that wait, and where the next page begins; `last` is None when this was the last page.

    broken: camera and id of rows that are no detection, whoever wrote them.
    """

    detections: tuple[Detection, ...]
    last: PendingMark | None = None
    broken: tuple[tuple[str, str], ...] = ()


class DetectionRows(Protocol):
    """Rows of detections."""

    def publish(self, detection: Detection) -> None:
        """Make the detection durable, `pending`; the same again is a no-op, another under its id a Conflict."""

    def accept(
        self,
        detections: Sequence[Detection],
        oldest_ms: int | None,
        policy: RecordingPolicy,
        newest_ms: int | None = None,
    ) -> list[Accepted]:
        """Record detections of one camera, each in one transaction with the window change it asks for. Idempotent.

        oldest_ms, newest_ms: the camera's frames in the buffer; the newest tells how late a detection comes.
        """

    def reject(self, camera_id: str, detection_id: str, reason: str) -> None:
        """Record that a stored detection cannot be accepted."""

    def pending(self, older_than_s: float, limit: int, after: PendingMark | None = None) -> PendingPage:
        """Detections whose hint was lost, oldest first, those behind `after`."""

    def get(self, camera_id: str, detection_id: str) -> StoredDetection | None:
        """One detection's row."""

    def with_id(self, detection_id: str) -> list[StoredDetection]:
        """Rows of every camera that has a detection of this id: an id is its camera's own."""

    def stored(self, camera_id: str, detection_id: str) -> Detection | None:
        """One detection, as it was published."""
