"""What a timeline draws of each camera: clips as bars, passes as marks, gaps.

In columns: a day of a busy site has tens of thousands of them. Times are ms since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.lifecycle import SegmentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentBars:
    """Segments in order of time. Of a ready one the clip's own time, else the window's. strip:
    whether the clip has one.
    """

    ids: list[str] = field(default_factory=list)
    start_ms: list[int] = field(default_factory=list)
    end_ms: list[int] = field(default_factory=list)
    status: list[SegmentStatus] = field(default_factory=list)
    protected: list[bool] = field(default_factory=list)
    strip: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassMarks:
    """Passes in order of their first read. plates: as people corrected them, else as read."""

    ids: list[str] = field(default_factory=list)
    first_ms: list[int] = field(default_factory=list)
    last_ms: list[int] = field(default_factory=list)
    plates: list[str | None] = field(default_factory=list)
    hit: list[bool] = field(default_factory=list)
    recorded: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class GapBars:
    """What the segments lack, in order of time. frames: about how many are missing."""

    segment_ids: list[str] = field(default_factory=list)
    from_ms: list[int] = field(default_factory=list)
    to_ms: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    cause: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTimeline:
    """One camera's row of a timeline."""

    camera_id: str
    segments: SegmentBars = field(default_factory=SegmentBars)
    passes: PassMarks = field(default_factory=PassMarks)
    gaps: GapBars = field(default_factory=GapBars)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The rows of cameras that have something in this time. complete: False where older things were
    left out, because there are too many.
    """

    cameras: dict[str, CameraTimeline]
    complete: bool
