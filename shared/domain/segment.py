"""The central noun: a stretch of one camera's time that is kept, as people and programs see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.domain.gaps import Gap
from shared.domain.json_object import JsonObject
from shared.domain.lifecycle import DetectionOutcome, SegmentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The finished MP4 of a segment, as it was recorded: its key in the store, and what its bytes
    must be.
    """

    key: str
    size_bytes: int
    sha256: str
    frame_count: int


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One row of `video_segments`, with its detections' ids and its plates.

    Times are aware and in UTC. What is only known of a finished clip is None before.
    """

    id: UUID
    camera_id: str
    status: SegmentStatus
    file_path: str  # the clip's key in the store; a segment has it from its beginning
    thumbnail_path: str | None  # None: no picture was made
    strip_path: str | None  # likewise
    start_time: datetime  # of the window; it never moves
    end_time: datetime | None  # of the last frame
    deadline: datetime  # the window's end; it moves while the status is recording
    trigger_time: datetime  # of the first detection over the threshold
    first_frame_at: datetime | None
    continues: UUID | None  # the segment whose recording this one goes on with
    duration_seconds: float | None
    file_size_bytes: int | None
    resolution: str | None  # WIDTHxHEIGHT in pixels, fixed by the first part
    archived: bool  # the clip is going or gone
    protected: bool  # retention leaves it alone
    note: str | None  # why somebody protected it
    codec: str
    fps: float
    policy: JsonObject  # the camera's recording policy when the segment began
    gaps: tuple[Gap, ...]  # what the clip lacks, in order of time
    frame_count: int | None
    frames_lost: int | None
    pre_roll_requested_seconds: float | None
    pre_roll_delivered_seconds: float | None
    sha256: str | None  # of the clip
    truncated_reason: str | None  # why the clip is shorter than its window
    error: str | None  # why there is no clip
    created_at: datetime
    updated_at: datetime
    detection_ids: str | None  # separated by commas, in order of time
    plates: list[str]  # each once, the most certain first
    best_confidence: float | None  # of its detections
    protected_by: str | None
    protected_at: datetime | None
    archived_by: str | None
    archived_reason: str | None
    archived_at: datetime | None

    @property
    def clip(self) -> Clip | None:
        """The segment's clip; None unless the status is `ready`."""
        if self.status is not SegmentStatus.READY:
            return None
        # The table's CHECK says that a ready row has all three.
        size, digest, frames = self.file_size_bytes or 0, self.sha256 or "", self.frame_count or 0
        return Clip(key=self.file_path, size_bytes=size, sha256=digest, frame_count=frames)


@dataclass(frozen=True, kw_only=True)
class FoundSegment(Segment):
    """A segment of a search."""

    distance: float  # 0: the same plate; 0.1 for a look-alike character, 1 for any other edit


@dataclass(frozen=True, kw_only=True)
class LinkedSegment(Segment):
    """A segment that holds a detection."""

    offset_ms: int  # of the detection, from the clip's first frame; may be negative
    contains: bool  # the detection lies in this window, and not only its footage


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedDetection:
    """A detection, placed on a segment's clip."""

    detection_id: str
    captured_at: datetime
    confidence: float
    plate: str | None
    bbox: list[float] | None
    attributes: JsonObject
    offset_ms: int
    contains: bool


@dataclass(frozen=True, kw_only=True)
class DetailedSegment(Segment):
    """A segment with its detections, in order of time; a long event has thousands."""

    detections: list[PlacedDetection]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipDay:
    """A day on which ready clips begin."""

    day: date
    segments: int
    bytes: int
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFootage:
    """Footage that a segment lacks."""

    segment_id: UUID
    from_time: datetime
    to_time: datetime
    frames: int
    cause: str  # a GapCause, or the error of a failed segment
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDetection:
    """A detection's row: what became of it."""

    detection_id: str
    camera_id: str
    captured_at: datetime
    outcome: DetectionOutcome
    reason: str | None
