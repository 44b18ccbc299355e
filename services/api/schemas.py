"""What the API takes and answers; names are the columns'."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.domain.lifecycle import SegmentStatus
from shared.domain.media import CAMERA_ID
from shared.domain.retention import MAX_DAYS

CameraId = Annotated[str, Field(pattern=f"^{CAMERA_ID.pattern}$")]


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
    plates: list[str]
    best_confidence: float | None
    protected_by: str | None
    protected_at: datetime | None
    archived_by: str | None
    archived_reason: str | None
    archived_at: datetime | None


class ListedSegment(Segment):
    """One clip of a list; distance: of a search for near misses, how far its plate is from the one asked for."""

    distance: float = Field(description="0: the same plate; 0.1 a look-alike character, 1 any other edit.")


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

    items: list[ListedSegment]
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


class BulkRequest(BaseModel):
    """The same for many clips."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["delete", "protect", "unprotect"]
    ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None


class BulkOutcome(BaseModel):
    """What became of one of them; `problem` says why it was refused."""

    id: UUID
    ok: bool
    problem: str | None = None


class BulkResult(BaseModel):
    """What became of each."""

    items: list[BulkOutcome]
    succeeded: int
    failed: int


class CalendarDay(BaseModel):
    """A day on which clips of a camera begin."""

    day: date
    segments: int
    bytes: int
    duration_seconds: float


class Calendar(BaseModel):
    """Days with footage, in order; days of the time zone."""

    camera_id: str
    time_zone: str
    items: list[CalendarDay]
    total: int


class MissingFootage(BaseModel):
    """Footage that a recording lacks, and why."""

    model_config = ConfigDict(populate_by_name=True)

    segment_id: UUID
    from_: datetime = Field(alias="from")
    to: datetime
    frames: int
    cause: str
    estimated: bool


class MissingFootageList(BaseModel):
    """What the recordings of a camera lack, in order of time."""

    camera_id: str
    items: list[MissingFootage]
    total: int
    complete: bool = Field(description="False where there are more: ask for a shorter time.")


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
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: str | None


class CameraStats(BaseModel):
    """Ready clips of one camera."""

    camera_id: str
    segments: int
    protected: int
    protected_bytes: int
    bytes: int
    duration_seconds: float


class DayStats(BaseModel):
    """Ready clips of one UTC day."""

    day: date
    segments: int
    bytes: int
    duration_seconds: float


class Capacity(BaseModel):
    """How much room there is, and how long it lasts."""

    limited_by: Literal["retention_bytes", "disk"] | None = Field(description="null: the store does not say.")
    limit_bytes: int | None
    free_bytes: int | None
    bytes_per_day: float | None = Field(description="Of the last week's complete days; null before there is one.")
    days_left: float | None = Field(description="Until the limit; null: retention by age comes first, or not known.")


class Stats(BaseModel):
    """Totals of ready clips, from counters; by_status counts all segments."""

    segments: int
    bytes: int
    duration_seconds: float
    average_duration_seconds: float
    average_bytes: float
    protected_segments: int
    protected_bytes: int
    by_status: dict[str, int]
    capacity: Capacity
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


class Login(BaseModel):
    """A key, to open a session with."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: Annotated[SecretStr, Field(min_length=1, max_length=200)]


class Session(BaseModel):
    """Who the caller is."""

    name: str
    role: str
    cameras: list[str] | None = Field(description="null: all.")
    csrf_token: str | None


class KeyRequest(BaseModel):
    """A key to make; without cameras it is for all of them, without expires_at it does not expire."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")]
    role: Literal["viewer", "operator", "admin"] = "viewer"
    cameras: Annotated[list[CameraId], Field(max_length=1000)] | None = None
    expires_at: datetime | None = None


class Key(BaseModel):
    """A key, without its secret."""

    id: UUID
    name: str
    role: str
    cameras: list[str] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewKey(Key):
    """A key with its secret, which is told this once."""

    secret: str


class KeyList(BaseModel):
    """All keys of the database."""

    items: list[Key]
    total: int


class SigningKey(BaseModel):
    """The key that evidence is signed with."""

    algorithm: str
    public_key: str = Field(description="base64")
    fingerprint: str


class AuditEntry(BaseModel):
    """Who did what."""

    id: int
    at: datetime
    who: str
    action: str
    segment_id: UUID | None
    details: dict[str, Any]


class AuditLog(BaseModel):
    """Entries, newest first; give next_before as `before` to go on."""

    items: list[AuditEntry]
    next_before: int | None


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
