"""Passes and detections."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.domain.found_passes import Review
from shared.domain.lifecycle import DetectionOutcome, SegmentStatus
from shared.domain.plate_lists import ListKind
from shared.wire.api.answer import Answer
from shared.wire.detections import ReadPlate


class PlateVariant(Answer):
    """A plate that a pass was read as."""

    plate: str
    reads: int
    confidence: float
    confidence_sum: float


class Pass(Answer):
    """One vehicle going by one camera once."""

    id: UUID
    camera_id: str
    first_at: datetime
    last_at: datetime
    ended_at: datetime | None = Field(description="null while a read can still join it.")
    dwell_seconds: float
    reads: int
    plate: str | None = Field(description="As a person corrected it, else its best plate.")
    read_plate: str | None
    confidence: float
    best_detection_id: str
    best_at: datetime
    attributes: dict[str, Any]
    recorded: bool
    hit: bool = Field(description="A plate on a watch list was read.")
    quiet_since: datetime | None
    corrected_plate: str | None
    review: Review | None
    note: str | None
    variants: list[PlateVariant]
    distance: float = Field(
        description="0: the same plate; 0.1 a look-alike character, 1 any other edit."
    )


class FoundDetection(Answer):
    """One detection, and what became of it."""

    detection_id: str
    camera_id: str
    captured_at: datetime
    confidence: float
    plate: str | None
    bbox: list[float] | None
    attributes: dict[str, Any]
    outcome: DetectionOutcome
    reason: str | None
    pass_id: UUID | None
    created_at: datetime


class SegmentOfPass(Answer):
    """A segment that holds reads of a pass; the first of them is offset_ms after its first
    frame.
    """

    segment_id: UUID
    status: SegmentStatus
    start_time: datetime
    duration_seconds: float | None
    offset_ms: int


class ReviewLine(Answer):
    """One line of what people said of a pass."""

    at: datetime
    who: str
    review: Review
    plate: str | None
    note: str | None


class PassHit(Answer):
    """A list that a pass is on, as it was when the plate was read. Callers without the right to the
    lists see that and when, not which and why.
    """

    id: UUID
    list_name: str | None
    kind: ListKind
    entry: str | None
    plate: str
    distance: float | None
    detection_id: str
    at: datetime
    name: str | None
    reason: str | None
    priority: int | None
    instructions: str | None
    alerted: bool
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_note: str | None


class Acknowledgement(BaseModel):
    """Somebody has seen the hits of a pass."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None


class PassDetail(Pass):
    """One pass with its reads (the first 1,000), segments, lists and reviews."""

    hits: list[PassHit]

    detections: list[FoundDetection]
    segments: list[SegmentOfPass]
    reviews: list[ReviewLine]


class ListedPass(Pass):
    """A pass, and which lists its plates are on."""

    lists: list[str] | None = Field(None, description="null: without the right to the lists.")


class PassPage(BaseModel):
    """A page of passes. more_than_total: there are more matches, which nobody counted."""

    items: list[ListedPass]
    total: int
    more_than_total: bool
    next_cursor: str | None


class DetectionPage(BaseModel):
    """A page of detections. more_than_total: there are more matches, which nobody counted."""

    items: list[FoundDetection]
    total: int
    more_than_total: bool
    next_cursor: str | None


class PassReview(BaseModel):
    """What a person says of a pass: `undone` takes back what was said last."""

    model_config = ConfigDict(extra="forbid")

    review: Review | None = None
    plate: ReadPlate = None
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] | None = None

    @model_validator(mode="after")
    def _check(self) -> PassReview:
        if (self.review == Review.CORRECTED) != (self.plate is not None):
            raise ValueError("plate: is the right one where review is corrected, and only there")
        if self.review is None and self.note is None:
            raise ValueError("review: say confirmed, corrected, rejected or undone, or add a note")
        return self


class PlateDay(Answer):
    """How often a plate went by a camera on a day."""

    day: date
    camera_id: str
    passes: int


class PlateHistory(BaseModel):
    """All passes of a plate by day and camera, newest first, and the newest ones themselves."""

    plate: str
    days: list[PlateDay]
    passes: PassPage
