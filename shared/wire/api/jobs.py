"""Jobs, statistics and errors."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from shared.domain.lifecycle import SegmentStatus
from shared.domain.retention import MAX_DAYS
from shared.wire.api.answer import Answer


class CleanupRequest(BaseModel):
    """How old clips may be; without it every camera's own retention."""

    model_config = ConfigDict(extra="forbid")

    retention_days: (
        Annotated[float, Field(ge=0, le=MAX_DAYS, allow_inf_nan=False, strict=True)] | None
    ) = None
    dry_run: StrictBool | None = None
    confirm: StrictBool | None = None


class JobState(Answer):
    """A cleanup or a check: poll it until its state is done or failed."""

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


class CameraStats(Answer):
    """Ready clips of one camera."""

    camera_id: str
    segments: int
    protected: int
    protected_bytes: int
    bytes: int
    duration_seconds: float


class DayStats(Answer):
    """Ready clips of one UTC day."""

    day: date
    segments: int
    bytes: int
    duration_seconds: float


class CameraDayStats(DayStats):
    """Ready clips of one camera that begin on one day of the time zone."""

    camera_id: str


class Capacity(BaseModel):
    """How much room there is, and how long it lasts."""

    model_config = ConfigDict(from_attributes=True)

    limited_by: Literal["retention_bytes", "disk"] | None = Field(
        description="null: the store does not say."
    )
    limit_bytes: int | None
    free_bytes: int | None
    bytes_per_day: float | None = Field(
        description="Of the last week's complete days; null before there is one."
    )
    days_left: float | None = Field(
        description="Until the limit; null: retention by age comes first, or not known."
    )


class Stats(BaseModel):
    """Totals of ready clips, from counters; by_status counts all segments."""

    segments: int
    bytes: int
    duration_seconds: float
    average_duration_seconds: float
    average_bytes: float
    protected_segments: int
    protected_bytes: int
    by_status: dict[SegmentStatus, int]
    capacity: Capacity
    cameras: list[CameraStats]
    days: list[DayStats]
    camera_days: list[CameraDayStats] = Field(
        description="Of the last `days`, 31 at most, in the time zone; in order of the day."
    )
    passes: int = Field(description="Of the last `days`.")
    reads: dict[str, int] = Field(
        description="Detections of the last `days` by outcome; `counted` were not stored."
    )


class Problem(BaseModel):
    """An error, as a problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
