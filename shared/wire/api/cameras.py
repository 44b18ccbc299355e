"""Cameras, and what was and was not recorded of them."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import AliasChoices, BaseModel, Field

from shared.domain.camera import CameraState
from shared.domain.codec import Codec
from shared.domain.made_cameras import LeftClips
from shared.wire.api.answer import Answer


class Camera(BaseModel):
    """A camera of the configuration and what capture says of it."""

    camera_id: str
    source: str
    detect: bool
    state: CameraState
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    dropped: int | None = None
    bad_frames: int | None = None
    reconnects: int | None = None
    error: str | None = None
    recorded_as: Codec | None = None
    not_copied: str | None = None
    last_frame_at: datetime | None = None


class CameraRemoval(BaseModel):
    """What became of the clips of a camera that was removed."""

    camera_id: str
    clips: LeftClips
    archived: int = Field(description="Clips that were archived now.")
    protected: int = Field(description="Protected clips stay.")
    left: int = Field(description="Others that are still there.")
    complete: bool = Field(description="false: ask again for those that are left.")
    kept_days: float | None = Field(
        description="How long retention keeps what is left; null: for ever."
    )


class CameraList(BaseModel):
    """All cameras."""

    items: list[Camera]
    total: int


class CalendarDay(Answer):
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


class MissingFootage(Answer):
    """Footage that a segment lacks, and why."""

    segment_id: UUID
    from_: datetime = Field(
        validation_alias=AliasChoices("from", "from_time"), serialization_alias="from"
    )
    to: datetime = Field(validation_alias=AliasChoices("to", "to_time"))
    frames: int
    cause: str
    estimated: bool


class MissingFootageList(BaseModel):
    """What the segments of a camera lack, in order of time."""

    camera_id: str
    items: list[MissingFootage]
    total: int
    complete: bool = Field(description="False where there are more: ask for a shorter time.")
