"""What a timeline draws, in columns: the same place in each list of an object is one thing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, WithJsonSchema

from shared.domain.lifecycle import SegmentStatus
from shared.wire.api.answer import Answer

# Text: of fifty thousand ids, reading each as a UUID takes longer than finding them.
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]


class SegmentBars(Answer):
    """A camera's segments in order of time. Of a ready one the clip's own time; what is recorded
    now ends where its window would end.
    """

    ids: list[Id]
    start_ms: list[int]
    end_ms: list[int]
    status: list[SegmentStatus]
    protected: list[bool]
    strip: list[bool] = Field(description="Whether the clip has a strip.")


class PassMarks(Answer):
    """A camera's passes in order of their first read."""

    ids: list[Id]
    first_ms: list[int]
    last_ms: list[int]
    plates: list[str | None]
    hit: list[bool]
    recorded: list[bool]


class GapBars(Answer):
    """What a camera's segments lack."""

    segment_ids: list[Id]
    from_ms: list[int]
    to_ms: list[int]
    frames: list[int]
    cause: list[str]


class CameraTimeline(Answer):
    """One camera's row."""

    camera_id: str
    segments: SegmentBars
    passes: PassMarks
    gaps: GapBars


class Timeline(BaseModel):
    """What meets a time, camera by camera; numbers are ms since 1970."""

    from_: datetime = Field(alias="from")
    to: datetime
    complete: bool = Field(description="False where older things are left out: ask for less time.")
    cameras: list[CameraTimeline]
