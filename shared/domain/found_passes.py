"""Passes and detections as people and programs find them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from shared.domain.json_object import JsonObject
from shared.domain.lifecycle import DetectionOutcome, SegmentStatus
from shared.domain.plate_lists import ListKind

Item = TypeVar("Item")


class Review(StrEnum):
    """What a person said of a pass."""

    CONFIRMED = "confirmed"  # the plate is right
    CORRECTED = "corrected"  # it is another one
    REJECTED = "rejected"  # it is no plate, or no vehicle
    UNDONE = "undone"  # the last of these does not hold any more


@dataclass(frozen=True, slots=True)
class Listed(Generic[Item]):
    """A page of a list.

    total: all matches; with `more_than_total` there are more, which nobody counted.
    """

    items: list[Item]
    total: int
    more_than_total: bool
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateVariant:
    """A plate that a pass was read as."""

    plate: str
    reads: int
    confidence: float
    confidence_sum: float


@dataclass(frozen=True, kw_only=True)
class FoundPass:
    """One row of `passes`. plate: as a person corrected it, else its best plate.

    distance: in a search for nearly equal plates, how far its nearest plate is from the one asked
    for. ended_at: None while a read can still join it.
    """

    id: UUID
    camera_id: str
    first_at: datetime
    last_at: datetime
    ended_at: datetime | None
    reads: int
    plate: str | None
    read_plate: str | None
    confidence: float
    best_detection_id: str
    best_at: datetime
    attributes: JsonObject
    recorded: bool
    hit: bool
    quiet_since: datetime | None
    corrected_plate: str | None
    review: Review | None
    note: str | None
    variants: tuple[PlateVariant, ...]
    distance: float

    @property
    def dwell_seconds(self) -> float:
        """From its first read to its last."""
        return (self.last_at - self.first_at).total_seconds()


@dataclass(frozen=True, kw_only=True)
class FoundDetection:
    """One row of `detections`. pass_id: None for one from before there were passes, and for one
    that was rejected.
    """

    detection_id: str
    camera_id: str
    captured_at: datetime
    confidence: float
    plate: str | None
    bbox: list[float] | None
    attributes: JsonObject
    outcome: DetectionOutcome
    reason: str | None
    pass_id: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOfPass:
    """A segment that holds reads of a pass. offset_ms: of the first of them, from its first
    frame.
    """

    segment_id: UUID
    status: SegmentStatus
    start_time: datetime
    duration_seconds: float | None
    offset_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PassHit:
    """A list that a pass is on, as it was when the plate was read; of a watch list, a hit."""

    id: UUID
    list_name: str
    kind: ListKind
    entry: str
    plate: str
    distance: float
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLine:
    """One line of what people said of a pass."""

    at: datetime
    who: str
    review: Review
    plate: str | None
    note: str | None


@dataclass(frozen=True, kw_only=True)
class ReviewedPass(FoundPass):
    """A pass with the lists that it is on, and with reviews in order of time."""

    hits: Sequence[PassHit]
    reviews: Sequence[ReviewLine]


@dataclass(frozen=True, kw_only=True)
class DetailedPass(FoundPass):
    """A pass with its reads (the first of very many), segments and reviews, each in order of
    time.
    """

    detections: Sequence[FoundDetection]
    segments: Sequence[SegmentOfPass]
    reviews: Sequence[ReviewLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateDay:
    """How often a plate went by a camera on a day."""

    day: date
    camera_id: str
    passes: int
