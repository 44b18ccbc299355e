"""Segments, as people see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from shared.domain.gaps import StoredPart
from shared.domain.lifecycle import SegmentStatus
from shared.domain.parts import ClipForm
from shared.domain.policy import RecordingPolicy
from shared.domain.segment import (
    ClipDay,
    DetailedSegment,
    FoundSegment,
    LinkedSegment,
    MissingFootage,
    Segment,
)
from shared.domain.strips import Strip
from shared.domain.timing import from_ms


class Order(StrEnum):
    """The orders of a list. Each is total, so that pages neither repeat nor skip a segment."""

    NEWEST = "-start_time"
    OLDEST = "start_time"
    NEAREST = "match"  # of a search for near misses: the closest plate first, then the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFilter:
    """What to list; None means any. cameras: those that the caller may see.

    fuzzy: also plates that are nearly `plate`.
    """

    camera_id: str | None = None
    status: SegmentStatus | None = None
    archived: bool | None = None
    protected: bool | None = None
    plate: str | None = None
    min_confidence: float | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    fuzzy: bool = False
    cameras: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. `total` counts all matches."""

    items: list[FoundSegment]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class StoredClip:
    """A READY segment's object: key, size in bytes, time of its first frame."""

    key: str
    size_bytes: int
    first_frame_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What a player can play of a segment: its finished parts in order, or its clip once they are
    deleted. fragments: where the parts with pictures were, in ms after the start. complete: nothing
    will be added.
    """

    segment_id: UUID
    camera_id: str
    status: SegmentStatus
    start_ms: int
    policy: RecordingPolicy
    form: ClipForm | None
    parts: list[StoredPart]
    fragments: list[tuple[int, int]]
    clip: StoredClip | None
    complete: bool

    @property
    def start(self) -> datetime:
        """When the segment begins."""
        return from_ms(self.start_ms)


class SegmentRows(Protocol):
    """Segments, as people see them."""

    def search(
        self, where: SegmentFilter, limit: int, offset: int, cursor: str | None, order: Order
    ) -> Page:
        """Returns a page of segments in a stable order.

        A cursor goes on after its page's last item, whatever was added meanwhile.
        """

    def row(self, segment_id: UUID) -> Segment:
        """Returns one segment; raises NotFound."""

    def get(self, segment_id: UUID) -> DetailedSegment:
        """Returns one segment with its detections, of which a long event has thousands; raises
        NotFound.
        """

    def streamed(self, segment_id: UUID, from_ms: int | None = None) -> Streamed:
        """Returns what a player can play of a segment; raises NotFound.

        from_ms: only the part that begins there.
        """

    def strip(self, segment_id: UUID) -> Strip | None:
        """Returns what stands on a segment's strip; None where it has none."""

    def by_detection(self, camera_id: str, detection_id: str) -> list[LinkedSegment]:
        """Returns the segments that hold a detection, in order of time."""

    def calendar(self, camera_id: str, first: date, last: date, zone: str) -> list[ClipDay]:
        """Returns the days (of the time zone) from first to last on which ready clips begin, in
        order.
        """

    def gaps(self, camera_id: str, first_ms: int, last_ms: int, limit: int) -> list[MissingFootage]:
        """Returns footage that segments of that time lack, in order."""

    def protect(
        self, segment_id: UUID, *, protected: bool, who: str, note: str | None
    ) -> DetailedSegment:
        """Protect or unprotect a segment. Returns it; raises NotFound or Gone."""

    def archive(self, segment_id: UUID, who: str) -> None:
        """Mark one segment for deletion; raises Conflict when it is live or protected."""

    def stop_recording(self, camera_id: str, now_ms: int) -> UUID | None:
        """Close the camera's open recording at `now_ms` and keep its footage.

        Returns its id, None when there is none.
        """
