"""Rows of segments, as people and retention see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from shared.domain.retention import Clip, Verdict


@dataclass(frozen=True, slots=True)
class SegmentFilter:
    """What to list; None means any."""

    camera_id: str | None = None
    status: str | None = None
    archived: bool | None = None
    protected: bool | None = None
    plate: str | None = None
    min_confidence: float | None = None
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list; `total` counts all that match."""

    items: list[dict[str, Any]]
    total: int
    next_cursor: str | None


class Videos(Protocol):
    """Rows of segments, as people and retention see them."""

    def search(self, where: SegmentFilter, limit: int, offset: int, cursor: str | None, *, newest_first: bool) -> Page:
        """Segments in a stable order of start_time and id."""

    def get(self, segment_id: UUID) -> dict[str, Any]:
        """One segment with its detections; raises NotFound."""

    def by_detection(self, detection_id: str) -> list[dict[str, Any]]:
        """Segments that hold a detection."""

    def stats(self) -> dict[str, Any]:
        """Totals from the counters."""

    def protect(self, segment_id: UUID, *, protected: bool, who: str, note: str | None) -> dict[str, Any]:
        """Protect or unprotect a segment."""

    def archive(self, segment_id: UUID, who: str) -> None:
        """Mark one segment for deletion; raises Conflict when it is live or protected."""

    def stop_recording(self, camera_id: str, now_ms: int) -> UUID | None:
        """Close the camera's open recording at `now_ms`, keeping what it has; None when there is none."""

    def cameras_with_clips(self) -> list[str]:
        """Cameras that have ready clips."""

    def oldest(self, camera_id: str | None, limit: int) -> list[Clip]:
        """The oldest unprotected ready clips."""

    def used_bytes(self) -> dict[str, int]:
        """Bytes of ready clips per camera."""

    def mark_expiring(self, verdicts: Sequence[Verdict]) -> list[UUID]:
        """Mark clips archived; those that were protected meanwhile stay."""

    def expiring(self, grace_s: float, limit: int) -> list[tuple[UUID, str, str | None]]:
        """Marked clips whose grace is over: id, object key, thumbnail key."""

    def record_expired(self, segment_ids: Sequence[UUID]) -> None:
        """Their objects are gone."""
