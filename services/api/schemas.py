"""What the API takes and answers; names are the columns'."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.lifecycle import SegmentStatus
from shared.domain.retention import MAX_DAYS


class Gap(BaseModel):
    """Frames that are missing, and why."""

    model_config = ConfigDict(populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    frames: int
    cause: str
    estimated: bool = False


class Segment(BaseModel):
    """One clip and what is known of it."""

    id: UUID
    camera_id: str
    status: SegmentStatus
    file_path: str
    thumbnail_path: str | None
    start_time: datetime
    end_time: datetime | None
    deadline: datetime
    trigger_time: datetime
    first_frame_at: datetime | None
    continues: UUID | None
    duration_seconds: float | None
    file_size_bytes: int | None
    resolution: str | None
    archived: bool
    protected: bool
    note: str | None
    codec: str
    fps: float
    policy: dict[str, Any]
    gaps: list[Gap]
    frame_count: int | None
    frames_lost: int | None
    pre_roll_requested_seconds: float | None
    pre_roll_delivered_seconds: float | None
    sha256: str | None
    truncated_reason: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime
    detection_ids: str | None


class DetectionInSegment(BaseModel):
    """A detection, placed on its clip."""

    detection_id: str
    captured_at: datetime
    confidence: float
    plate: str | None
    bbox: list[float] | None
    attributes: dict[str, Any]
    offset_ms: int
    contains: bool


class SegmentDetail(Segment):
    """One clip with its detections."""

    detections: list[DetectionInSegment]


class SegmentOfDetection(Segment):
    """One clip of a detection, and where in it the detection is."""

    offset_ms: int
    contains: bool


class SegmentPage(BaseModel):
    """A page of clips; total counts all that match."""

    items: list[Segment]
    total: int
    next_cursor: str | None


class SegmentsOfDetection(BaseModel):
    """All clips of a detection, and what became of it."""

    items: list[SegmentOfDetection]
    total: int
    outcome: str
    reason: str | None


class SegmentPatch(BaseModel):
    """What a person may change."""

    model_config = ConfigDict(extra="forbid")

    protected: bool
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None


class DetectionReceipt(BaseModel):
    """The detection is durable; by-detection tells what becomes of it."""

    detection_id: str
    camera_id: str
    captured_at: datetime
    outcome: str


class CleanupRequest(BaseModel):
    """How old clips may be; without it every camera's own retention."""

    model_config = ConfigDict(extra="forbid")

    retention_days: Annotated[float, Field(ge=0, le=MAX_DAYS, allow_inf_nan=False)] | None = None
    dry_run: bool | None = None


class JobState(BaseModel):
    """A piece of upkeep: poll it until its state is done or failed."""

    id: UUID
    kind: str
    params: dict[str, Any]
    state: str
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None
    error: str | None


class CameraStats(BaseModel):
    """Ready clips of one camera."""

    camera_id: str
    segments: int
    bytes: int
    duration_seconds: float


class DayStats(BaseModel):
    """Ready clips of one UTC day."""

    day: date
    segments: int
    bytes: int
    duration_seconds: float


class Stats(BaseModel):
    """Totals of ready clips, from counters; unfinished counts the rest by status."""

    segments: int
    bytes: int
    duration_seconds: float
    average_duration_seconds: float
    average_bytes: float
    unfinished: dict[str, int]
    cameras: list[CameraStats]
    days: list[DayStats]


class Camera(BaseModel):
    """A camera of the configuration and what capture says of it."""

    camera_id: str
    source: str
    detect: bool
    state: str
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    dropped: int | None = None
    bad_frames: int | None = None
    reconnects: int | None = None
    error: str | None = None
    last_frame_at: datetime | None = None


class CameraList(BaseModel):
    """All cameras."""

    items: list[Camera]
    total: int


class Health(BaseModel):
    """Whether the process, or what it depends on, can be used."""

    status: str
    checks: dict[str, str] = Field(default_factory=dict)


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
