"""What retention judges and deletes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.domain.retention import Clip, Verdict


@dataclass(frozen=True, slots=True)
class Marked:
    """A clip that is marked for deletion: its object's key, its thumbnail's, and when it was marked."""

    segment_id: UUID
    key: str
    thumbnail_key: str | None
    marked_at: datetime


class RetentionRows(Protocol):
    """Clips as retention sees them."""

    def cameras_with_clips(self) -> list[str]:
        """Cameras that have ready or failed segments."""

    def now_ms(self) -> int:
        """The database's time: ages are of one clock, whichever host asks."""

    def count_clips(self) -> int:
        """Ready and failed segments of all cameras."""

    def report_stopped(self, would_archive: int, allowed: int) -> None:
        """Send the event that a cleanup was stopped, unless the one before it was stopped too."""

    def oldest(
        self, camera_id: str | None, before_ms: int, after: Clip | None, limit: int, attributes: Collection[str] | None
    ) -> list[Clip]:
        """Unprotected ready and failed segments that ended before a time, oldest first, those after `after`.

        With their plates, and which of `attributes` their detections have set; without both where that is None.
        """

    def used_bytes(self) -> dict[str, int]:
        """Bytes of ready clips per camera; clips that are marked but not yet gone count as free."""

    def expiring_bytes(self) -> int:
        """Bytes of clips that are marked and not yet gone."""

    def mark_expiring(self, verdicts: Sequence[Verdict]) -> list[UUID]:
        """Mark clips archived; those that were protected meanwhile stay."""

    def expiring(self, grace_s: float, limit: int, after: Marked | None) -> list[Marked]:
        """Marked clips whose grace is over, those after `after`."""

    def record_expired(self, segment_ids: Sequence[UUID]) -> int:
        """Their objects are gone; how many that was not known of."""

    def purge_history(self, older_than_s: float, limit: int) -> int:
        """Drop rows that tell only of the past: of expired segments, detections without one, the access log."""
