"""Where detections come in, and where events and tasks leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from shared.domain.events import Event
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Detection
from shared.domain.pictures import StoredPictures
from shared.domain.plate_lists import Match
from shared.domain.policy import RecordingPolicy
from shared.domain.segment import StoredDetection


@dataclass(frozen=True, slots=True)
class DetectionDelivery:
    """One message of the detections stream that is not acknowledged yet.

    tries: how often it was read before without being settled or put off. waited_s: how long it lay
    in the stream, by the broker's clock.
    """

    entry_id: str
    fields: Mapping[bytes, bytes]
    tries: int = 0
    waited_s: float = 0.0


class DetectionStream(Protocol):
    """The durable stream of detections, read by a consumer group."""

    def publish(self, payload: bytes) -> str:
        """Append a detection's JSON. Returns the entry's id."""

    def hint(self, camera_id: str, detection_id: str) -> None:
        """Say that a detection's row waits."""

    def read(self, count: int, block_s: float) -> list[DetectionDelivery]:
        """Returns new messages, and those whose reader died."""

    def ack(self, entry_ids: Sequence[str]) -> None:
        """Acknowledge these messages: they are settled."""

    def put_off(self, entry_ids: Sequence[str], tries: int = 0) -> None:
        """Let these be read again later, as if they had been read `tries` times.

        Messages that were settled meanwhile are left alone.
        """

    def keep(self, entry_ids: Sequence[str]) -> None:
        """Say that these are still worked on, so that nobody else reads them for a while.

        Those lost meanwhile stay lost.
        """

    def unread_s(self) -> float:
        """Returns how long (s) the oldest message that nobody has read has waited; 0 when all are
        read.
        """

    def reject(self, entry_id: str, payload: bytes, reason: str) -> None:
        """Store a message that does not validate as a dead letter, at most its first 64 KiB."""

    def forget_readers(self, idle_s: float) -> int:
        """Remove consumers that have read nothing for so long and hold nothing. Returns how
        many.
        """

    def trim(self, older_than_ms: int) -> None:
        """Delete acknowledged messages older than this."""


class DetectionChannel(Protocol):
    """The Pub/Sub door: at most once, as Pub/Sub is. Every process that listens hears a message."""

    def listen(self, timeout_s: float) -> list[bytes]:
        """Returns messages heard within the timeout."""

    def forward(self, payload: bytes) -> bool:
        """Append a message to the stream of detections.

        Returns False where some process took a byte-identical one within the last second.
        """

    def claim(self, payload: bytes) -> bool:
        """Take a message that is not forwarded. Returns False as `forward` does."""


class EventSink(Protocol):
    """The stream of outgoing events."""

    def publish_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str | None]:
        """Append events (name and body) in order, in one exchange.

        Consumers may see one twice; its `event_id` is then the same. Returns for each event why it
        was refused, None for one that was taken.
        """


class EventFeed(Protocol):
    """The stream of outgoing events, as a listener reads it."""

    def last(self) -> str:
        """Returns the id of the newest event; `0-0` when there is none."""

    def read(self, after: str, limit: int) -> list[Event]:
        """Returns events after an id, in order."""

    def wait(self, after: str, timeout_s: float) -> bool:
        """Wait until there is an event after an id. Returns False when the time passed without."""


class TaskQueue(Protocol):
    """Transport to the workers. The pacer finds a lost task again in the rows."""

    def send(self, task: str, payload: Mapping[str, Any]) -> None:
        """Publish a task by name."""

    def send_all(self, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[bool]:
        """Publish several tasks. Returns which of them were published."""

    def waiting(self, queue: str) -> int:
        """Returns how many messages of a queue no worker has taken yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraBatch:
    """Detections of one camera, each id once, in order of captured_at.

    oldest_ms, newest_ms: the camera's frames in the buffer, None while it is empty; the newest
    tells how late a detection is. matches: by detection id, the lists that its plate is on.
    """

    camera_id: str
    detections: Sequence[Detection]
    policy: RecordingPolicy
    oldest_ms: int | None = None
    newest_ms: int | None = None
    matches: Mapping[str, tuple[Match, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a detection."""

    outcome: DetectionOutcome
    segment_ids: tuple[UUID, ...]
    reason: str | None = None


PendingMark = tuple[datetime, str, str]


@dataclass(frozen=True, slots=True)
class PendingPage:
    """Pending detections, and where the next page begins; `last` is None on the last page.

    broken: camera and id of rows that are no valid detection.
    """

    detections: tuple[Detection, ...]
    last: PendingMark | None = None
    broken: tuple[tuple[str, str], ...] = ()


class DetectionRows(Protocol):
    """Rows of detections."""

    def publish(self, detection: Detection, pictures: StoredPictures | None = None) -> None:
        """Store the detection as `pending`, with its detector's own pictures.

        The same detection again changes nothing; another one under its id raises Conflict.
        """

    def accept(
        self,
        detections: Sequence[Detection],
        oldest_ms: int | None,
        policy: RecordingPolicy,
        newest_ms: int | None = None,
        *,
        matches: Mapping[str, tuple[Match, ...]] | None = None,
    ) -> list[Accepted]:
        """Record detections of one camera, in one transaction with the window changes that they
        ask for. Idempotent. The arguments are those of `CameraBatch`.
        """

    def accept_all(self, batches: Sequence[CameraBatch]) -> dict[str, list[Accepted]]:
        """Record detections of several cameras in one transaction. Idempotent.

        Waits for nobody. Returns the answers by camera, without those whose windows somebody else
        is changing at the moment, or where somebody else judges whether to alert of the same plate:
        of them nothing is recorded.
        """

    def reject(self, camera_id: str, detection_id: str, reason: str) -> None:
        """Record that a stored detection cannot be accepted."""

    def pending(
        self, older_than_s: float, limit: int, after: PendingMark | None = None
    ) -> PendingPage:
        """Returns detections whose hint was lost, oldest first, after `after`."""

    def get(self, camera_id: str, detection_id: str) -> StoredDetection | None:
        """Returns one detection's row, or None."""

    def with_id(self, detection_id: str) -> list[StoredDetection]:
        """Returns the rows of every camera that has a detection of this id: ids are per camera."""

    def stored(self, camera_id: str, detection_id: str) -> Detection | None:
        """Returns one detection as it was published, or None."""

    def stored_all(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Detection]:
        """Returns those of these detections (camera and id) that are stored, as published."""
