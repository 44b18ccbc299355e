"""What the use cases ask of the world. One adapter per vendor; the contract suite holds each to the same behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Detection, Frame, FrameMark
from shared.domain.parts import EncodedPart, Gap, Joined, PartFacts, Piece, StoredPart
from shared.domain.policy import RecordingPolicy
from shared.domain.retention import Clip, Verdict


class Clock(Protocol):
    """The only source of time."""

    def now_ms(self) -> int:
        """Wall time, milliseconds since 1970 UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


# --- the frame buffer -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bounds:
    """Oldest and newest capture time in a camera's buffer, milliseconds."""

    oldest_ms: int
    newest_ms: int


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """How far back a camera's buffer reaches: normally `keep_ms`, with holds up to `cap_ms`, never over `max_bytes`."""

    keep_ms: int
    cap_ms: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Appended:
    """Outcome of one frame: stored, or `refused` because the buffer holds a newer one (another owner wrote it)."""

    frame: Frame
    stored: bool


class FrameBuffer(Protocol):
    """The rolling buffer of every camera, shared by all processes. Raises Retryable while its server is away."""

    def append(self, frames: Sequence[Frame], limits: Mapping[str, BufferLimits]) -> list[Appended]:
        """Store frames in order and trim each camera's buffer to its limits and holds."""

    def bounds(self, camera_ids: Sequence[str]) -> dict[str, Bounds]:
        """Bounds of the cameras that have frames."""

    def newest(self, camera_id: str) -> Frame | None:
        """The newest frame."""

    def read(self, camera_id: str, start_ms: int, end_ms: int) -> Iterator[Frame]:
        """Frames of [start, end) in order, fetched in pages of a few."""

    def mark_before(self, camera_id: str, ms: int) -> FrameMark | None:
        """The last frame before `ms` that is still there."""

    def server_ms(self, camera_id: str) -> int:
        """The buffer server's own wall time."""


class Holds(Protocol):
    """Promises that a camera's buffer keeps frames from a time on."""

    def hold(self, camera_id: str, holds: Mapping[str, int]) -> None:
        """Set holds: holder -> oldest needed capture time."""

    def release(self, camera_id: str, holders: Iterable[str]) -> None:
        """Remove holds; unknown holders are fine."""

    def holds(self, camera_id: str) -> dict[str, int]:
        """All holds of a camera."""


class CameraLeases(Protocol):
    """Which capture process owns a camera. Seconds are of the lease server's clock."""

    def acquire(self, camera_id: str, owner: str, ttl_s: float) -> bool:
        """Take a free lease, or renew one's own. False: somebody else has it."""

    def release(self, camera_id: str, owner: str) -> None:
        """Give up a lease if it is still one's own."""

    def enrol(self, owner: str, ttl_s: float) -> int:
        """Say that this capture process lives; answers how many do."""

    def resign(self, owner: str) -> None:
        """Say that it is leaving."""


class CameraStates(Protocol):
    """What capture reports of its cameras."""

    def report(self, camera_id: str, state: Mapping[str, str | int | float]) -> None:
        """Overwrite the given fields."""

    def state(self, camera_id: str) -> dict[str, str]:
        """All fields; empty for a camera nobody captures."""


# --- detections -------------------------------------------------------------------------------------------------------


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


class TaskQueue(Protocol):
    """Transport to the workers. A lost task is found again in the rows."""

    def send(self, task: str, payload: Mapping[str, Any]) -> None:
        """Publish a task by name."""


# --- objects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's key, size in bytes and modification time (ms since 1970)."""

    key: str
    size_bytes: int
    modified_ms: int


class ObjectStore(Protocol):
    """Where MP4s live. Raises Retryable while the store is away, NotFound for an absent key."""

    def put(self, key: str, body: bytes | Path, content_type: str, timeout_s: float | None = None) -> None:
        """Store the whole object or nothing, and verify its size."""

    def get(self, key: str) -> bytes:
        """A small object, whole."""

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """An object's bytes from `start` on, in pieces."""

    def head(self, key: str) -> StoredObject | None:
        """What is known of an object, None if it is not there."""

    def walk(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key begins with `prefix`, in order of key."""

    def delete(self, keys: Sequence[str]) -> dict[str, str]:
        """Delete many; absent keys are fine. Returns key -> reason for those that could not be deleted."""

    def prepare(self) -> None:
        """Make the bucket or folder if it is not there."""


# --- video ----------------------------------------------------------------------------------------------------------


class PartEncoding(Protocol):
    """One part being encoded."""

    def add(self, jpeg: bytes, captured_ms: int) -> None:
        """Encode one frame; Permanent when it cannot be decoded, and the part goes on without it."""

    def finish(self) -> EncodedPart:
        """The part's packets and index."""


class Video(Protocol):
    """Pictures to packets, packets to clips."""

    def picture_size(self, jpeg: bytes, scale: str | None) -> tuple[int, int]:
        """Clip size (width, height) for a camera that sends this picture."""

    def encoder(self, policy: RecordingPolicy, width: int, height: int, base_ms: int) -> PartEncoding:
        """An encoder for one part that starts at base_ms."""

    def thumbnail(self, jpeg: bytes) -> bytes:
        """A small JPEG of a picture."""

    def reencode(self, pieces: Sequence[Piece], policy: RecordingPolicy, width: int, height: int) -> list[Piece]:
        """Parts that share their parameters, from parts that do not."""

    def join(
        self, path: Path, pieces: Sequence[Piece], end_ms: int, policy: RecordingPolicy, width: int, height: int
    ) -> Joined:
        """Write the MP4 of the pieces, copying packets; the same pieces give the same bytes."""


# --- rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartView:
    """An unfinished part, as the pacer sees it."""

    part_id: UUID
    number: int
    start_ms: int
    end_ms: int
    state: str
    offerable: bool


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """A segment that is recording or finalizing, as the pacer sees it."""

    segment_id: UUID
    camera_id: str
    status: str
    start_ms: int
    deadline_ms: int
    covered_to_ms: int
    policy: RecordingPolicy
    parts: tuple[PartView, ...]
    finalise_offerable: bool

    @property
    def hold_ms(self) -> int:
        """The oldest frame that is still needed."""
        return min((p.start_ms for p in self.parts), default=self.covered_to_ms)


@dataclass(frozen=True, slots=True)
class PartRun:
    """A writer's right to make one part, until its lease runs out."""

    part_id: UUID
    segment_id: UUID
    camera_id: str
    number: int
    start_ms: int
    end_ms: int
    trigger_ms: int
    token: str
    attempts: int
    policy: RecordingPolicy
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class FinaliseRun:
    """A writer's right to finalise one segment."""

    segment_id: UUID
    camera_id: str
    file_path: str
    thumbnail_path: str
    start_ms: int
    deadline_ms: int
    trigger_ms: int
    token: str
    attempts: int
    policy: RecordingPolicy
    width: int | None
    height: int | None
    continues_from_ms: int | None
    parts: tuple[StoredPart, ...]


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What READY records of a finished clip."""

    first_frame_ms: int
    duration_ms: int
    size_bytes: int
    sha256: str
    frame_count: int
    frames_lost: int
    gaps: tuple[Gap, ...]
    pre_roll_requested_ms: int
    pre_roll_delivered_ms: int
    has_thumbnail: bool
    truncated_reason: str | None


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


class Pacing(Protocol):
    """Windows and parts, as the pacer moves them."""

    def live(self) -> list[LiveSegment]:
        """Every segment that is recording or finalizing, with its unfinished parts."""

    def advance(self, camera_id: str, watermark_ms: int, *, silent: bool) -> bool:
        """Plan the parts the buffer has passed, close the window it has passed; True if anything changed."""

    def offer_part(self, part_id: UUID) -> int | None:
        """Offer a due part: the offer's number, or None when somebody else did."""

    def withdraw_offer(self, part_id: UUID, offer: int) -> None:
        """The offer could not be published: make the part due again."""

    def offer_finalise(self, segment_id: UUID) -> int | None:
        """Offer a closed segment whose parts are all in."""

    def withdraw_finalise(self, segment_id: UUID, offer: int) -> None:
        """The offer could not be published: make the segment offerable again."""

    def expire_leases(self) -> int:
        """Take back parts and segments whose writer has not renewed its lease; give up those that failed too often."""

    def relay_events(self, publish: Callable[[str, Mapping[str, Any]], None], limit: int) -> int:
        """Hand waiting events to `publish`, oldest first; those it took are marked."""

    def wait(self, timeout_s: float) -> None:
        """Return early when a segment's part came in."""


class Writing(Protocol):
    """Runs of parts and segments, as the writers move them."""

    def begin_part(self, part_id: UUID, offer: int) -> PartRun | None:
        """Start a run, or None when the offer is no longer current."""

    def renew_part(self, part_id: UUID, token: str) -> bool:
        """Prolong the lease; False when it is lost."""

    def set_size(self, segment_id: UUID, width: int, height: int) -> tuple[int, int]:
        """Fix the recording's picture size once; answers the one that holds."""

    def commit_part(self, part_id: UUID, token: str, object_key: str | None, facts: PartFacts) -> bool:
        """The part is done; False when the run had lost its right."""

    def fail_part(self, part_id: UUID, token: str, reason: str, *, retryable: bool) -> None:
        """The run ended without a part."""

    def begin_finalise(self, segment_id: UUID, offer: int) -> FinaliseRun | None:
        """Start finalising, or None when the offer is no longer current."""

    def renew_finalise(self, segment_id: UUID, token: str, seconds: float = ...) -> float:
        """Prolong the lease to at least `seconds`; how long it now lasts, 0 when it is lost."""

    def commit_ready(self, segment_id: UUID, token: str, facts: ClipFacts) -> bool:
        """READY, its counters and its event, in one transaction."""

    def commit_failed(self, segment_id: UUID, token: str, reason: str, gaps: Sequence[Gap]) -> bool:
        """FAILED, and its event."""

    def fail_finalise(self, segment_id: UUID, token: str, reason: str, *, retryable: bool) -> None:
        """The finalising run ended without a clip."""

    def forget_parts(self, segment_id: UUID) -> None:
        """A finished segment's part objects are gone: drop their rows."""


@dataclass(frozen=True, slots=True)
class SegmentFilter:
    """What to list; None means any."""

    camera_id: str | None = None
    status: str | None = None
    archived: bool | None = None
    protected: bool | None = None
    plate: str | None = None
    min_confidence: float | None = None
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list; `total` counts all that match."""

    items: list[dict[str, Any]]
    total: int
    next_cursor: str | None


class Videos(Protocol):
    """Rows of segments, as people and retention see them."""

    def search(self, where: SegmentFilter, limit: int, offset: int, cursor: str | None, *, newest_first: bool) -> Page:
        """Segments in a stable order of start_time and id."""

    def get(self, segment_id: UUID) -> dict[str, Any]:
        """One segment with its detections; raises NotFound."""

    def by_detection(self, detection_id: str) -> list[dict[str, Any]]:
        """Segments that hold a detection."""

    def stats(self) -> dict[str, Any]:
        """Totals from the counters."""

    def protect(self, segment_id: UUID, *, protected: bool, who: str, note: str | None) -> dict[str, Any]:
        """Protect or unprotect a segment."""

    def archive(self, segment_id: UUID, who: str) -> None:
        """Mark one segment for deletion; raises Conflict when it is live or protected."""

    def stop_recording(self, camera_id: str, now_ms: int) -> UUID | None:
        """Close the camera's open recording at `now_ms`, keeping what it has; None when there is none."""

    def cameras_with_clips(self) -> list[str]:
        """Cameras that have ready clips."""

    def oldest(self, camera_id: str | None, limit: int) -> list[Clip]:
        """The oldest unprotected ready clips."""

    def used_bytes(self) -> dict[str, int]:
        """Bytes of ready clips per camera."""

    def mark_expiring(self, verdicts: Sequence[Verdict]) -> list[UUID]:
        """Mark clips archived; those that were protected meanwhile stay."""

    def expiring(self, grace_s: float, limit: int) -> list[tuple[UUID, str, str | None]]:
        """Marked clips whose grace is over: id, object key, thumbnail key."""

    def record_expired(self, segment_ids: Sequence[UUID]) -> None:
        """Their objects are gone."""


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of upkeep somebody asked for, or that fell due."""

    job_id: UUID
    kind: str
    params: dict[str, Any]


class Jobs(Protocol):
    """Upkeep: sweep and audit take their turn in the database, so two beats or none do no harm."""

    def request(self, kind: str, params: Mapping[str, Any], who: str) -> UUID:
        """Ask for a job."""

    def get(self, job_id: UUID) -> dict[str, Any]:
        """How it stands; raises NotFound."""

    def due(self, periods_s: Mapping[str, float]) -> list[Job]:
        """Jobs to start: requested ones, and kinds whose last run is older than two periods."""

    def begin(self, job_id: UUID) -> Job | None:
        """Take a job; None when somebody has it."""

    def begin_turn(self, kind: str, period_s: float) -> Job | None:
        """Take the regular turn of a kind, unless one ran within this period."""

    def finish(self, job_id: UUID, result: Mapping[str, Any], error: str | None = None) -> None:
        """Store its result."""

    def purge_outbox(self, older_than_s: float) -> None:
        """Drop events that were relayed long ago."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """An object that a row expects: the segment, its status, and the recorded size where there is one."""

    segment_id: UUID
    status: str
    size_bytes: int | None


class Ledger(Protocol):
    """What the audit compares objects with."""

    def deployment_id(self) -> UUID:
        """The id that the bucket's sentinel must hold."""

    def expected(self, keys: Sequence[str]) -> dict[str, Expectation]:
        """Which of these keys under videos/, thumbnails/ and parts/ some row expects."""

    def ready_objects(self, after: str, limit: int) -> list[tuple[str, UUID, int, str]]:
        """READY segments in order of key: key, id, size, sha256."""

    def finished_with_parts(self) -> list[UUID]:
        """Segments past finalising whose parts still have rows."""
