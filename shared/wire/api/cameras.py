"""Cameras, and what was and was not recorded of them."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


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
