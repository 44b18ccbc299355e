"""Segments and detections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from shared.domain.lifecycle import SegmentStatus
from shared.domain.pictures import PictureKind
from shared.wire.api.answer import Answer


class Gap(Answer):
    """Frames that are missing, and why."""

    from_: datetime = Field(
        validation_alias=AliasChoices("from", "from_time"), serialization_alias="from"
    )
    to: datetime = Field(validation_alias=AliasChoices("to", "to_time"))
    frames: int
    cause: str
    estimated: bool = False
    detail: Annotated[str | None, BeforeValidator(lambda said: said or None)] = Field(
        None, description="What capture said of the camera then, where that is known."
    )


class Segment(Answer):
    """One segment and what is known of it."""

    id: UUID
    camera_id: str
    status: SegmentStatus
    file_path: str
    thumbnail_path: str | None
    strip_path: str | None
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


class Strip(Answer):
    """What stands on a clip's strip: tiles of one size, row by row from the top left."""

    tile_width: int
    tile_height: int
    columns: int
    first_frame_at: datetime
    offsets_ms: list[int] = Field(
        description="When each tile is shown, in ms after the clip's first frame; one a tile."
    )


class ListedSegment(Segment):
    """One segment of a list.

    distance: in a search for nearly equal plates, how far its plate is from the one asked for.
    """

    distance: float = Field(
        description="0: the same plate; 0.1 a look-alike character, 1 any other edit."
    )


class DetectionInSegment(Answer):
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
    """One segment with its detections."""

    detections: list[DetectionInSegment]


class SegmentOfDetection(Segment):
    """One segment of a detection, and where in its clip the detection is."""

    offset_ms: int
    contains: bool


class SegmentPage(BaseModel):
    """A page of segments. total counts all matches."""

    items: list[ListedSegment]
    total: int
    next_cursor: str | None


class SegmentsOfDetection(BaseModel):
    """All segments of a detection, and its outcome."""

    items: list[SegmentOfDetection]
    total: int
    outcome: str
    reason: str | None


class SegmentPatch(BaseModel):
    """What a person may change."""

    model_config = ConfigDict(extra="forbid")

    protected: StrictBool
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None


class BulkRequest(BaseModel):
    """One action for many segments."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["delete", "protect", "unprotect"]
    ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None


class BulkOutcome(BaseModel):
    """The outcome for one of them; `problem` says why it was refused."""

    id: UUID
    ok: bool
    problem: str | None = None


class BulkResult(BaseModel):
    """The outcome for each."""

    items: list[BulkOutcome]
    succeeded: int
    failed: int


class DetectionReceipt(BaseModel):
    """The detection is stored; by-detection shows its outcome."""

    detection_id: str
    camera_id: str
    captured_at: datetime
    outcome: str


class SkippedResult(BaseModel):
    """A result of a message that became no detection: its place in the message, from 0, and why."""

    result: int
    reason: str


class PictureLeftOut(BaseModel):
    """A picture that is not kept: its result's place in the message, from 0, and why."""

    result: int
    kind: PictureKind
    reason: str


class DetectionReceipts(BaseModel):
    """The detections of one message are stored; `skipped` lists the results that are none, and
    `pictures_left_out` pictures of the others that are not kept.
    """

    items: list[DetectionReceipt]
    total: int
    skipped: list[SkippedResult] = []
    pictures_left_out: list[PictureLeftOut] = []


class DoorReceipts(DetectionReceipts):
    """The same, for a camera: some send a message again until they read a `Result` that is true."""

    result: bool = Field(default=True, serialization_alias="Result")
