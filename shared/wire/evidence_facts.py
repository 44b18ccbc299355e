"""The files of an evidence archive that tell what its clip shows, whose clocks it was recorded by,
and who has seen it.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from shared.wire.api import AccessEntry, FoundDetection, Pass, PassHit, ReviewLine

PASSES, ACCESS_LOG, CLOCKS = "passes.json", "access-log.json", "clocks.json"


class ReadInClip(FoundDetection):
    """A detection, placed on the clip. bbox: in pixels of the camera's frame."""

    offset_ms: int = Field(description="After the clip's first frame.")


class PassInClip(Pass):
    """A pass with its reads in the clip. hits: the lists that it is on, for those who may see
    these.
    """

    hits: list[PassHit]
    reviews: list[ReviewLine]
    reads_in_clip: list[ReadInClip]


class PassesFile(BaseModel):
    """What passed within the clip. reads_without_pass: detections that belong to none."""

    segment_id: UUID
    passes: list[PassInClip]
    reads_without_pass: list[ReadInClip]


class AccessFile(BaseModel):
    """The lines of the access log about the clip, oldest first. truncated: there are older ones."""

    segment_id: UUID
    until: datetime
    truncated: bool
    lines: list[AccessEntry]


class ServerClock(BaseModel):
    """A server's clock against that of the host that made the archive. uncertainty_ms: half of the
    time that the answer took.
    """

    name: str
    offset_ms: int | None
    uncertainty_ms: int | None
    problem: str | None = None


class CameraClock(BaseModel):
    """What the times of the camera's frames come from, and how capture was when the archive was
    made.
    """

    camera_id: str
    own_clock_used: bool | None = Field(description="null: the configuration lacks the camera.")
    told: str
    state: str | None
    state_at: datetime | None


class ClocksFile(BaseModel):
    """Clocks, as they were when the archive was made: not when the clip was recorded."""

    measured_at: datetime
    measured_by: str
    servers: list[ServerClock]
    camera: CameraClock
