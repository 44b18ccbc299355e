"""What retention judges and deletes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.domain.retention import Clip, ReadsKept, Verdict


@dataclass(frozen=True, slots=True)
class Marked:
    """A clip that is marked for deletion: the keys of its object, its thumbnail and its strip, and
    when it was marked.
    """

    segment_id: UUID
    keys: tuple[str, ...]
    marked_at: datetime


class RetentionRows(Protocol):
    """Clips as retention sees them."""

    def cameras_with_clips(self) -> list[str]:
        """Returns the cameras that have ready or failed segments."""

    def now_ms(self) -> int:
        """Returns the database's time: one clock judges ages, whichever host asks."""

    def count_clips(self) -> int:
        """Returns how many ready and failed segments all cameras have."""

    def report_stopped(self, would_archive: int, allowed: int) -> None:
        """Send the event that a cleanup was stopped, unless the one before it was stopped too."""

    def oldest(
        self,
        camera_id: str | None,
        before_ms: int,
        after: Clip | None,
        limit: int,
        attributes: Collection[str] | None,
    ) -> list[Clip]:
        """Returns unprotected ready and failed segments that ended before a time, oldest first,
        after `after`. With their plates, and which of `attributes` their detections have set;
        without both where `attributes` is None.
        """

    def used_bytes(self) -> dict[str, int]:
        """Returns the bytes of ready clips by camera. Clips that are marked count as free."""

    def expiring_bytes(self) -> int:
        """Returns the bytes of clips that are marked and not deleted yet."""

    def alone(self) -> AbstractContextManager[None]:
        """Within the block nobody else judges which clips must go: of two cleanups at once, the
        second sees what the first has marked. Raises Retryable where another takes too long.
        """

    def mark_expiring(self, verdicts: Sequence[Verdict]) -> list[UUID]:
        """Mark clips for deletion, except those that were protected meanwhile.

        Returns the marked ones.
        """

    def expiring(self, grace_s: float, limit: int, after: Marked | None) -> list[Marked]:
        """Returns marked clips whose grace period is over, after `after`."""

    def record_expired(self, segment_ids: Sequence[UUID]) -> int:
        """Record that these clips' objects are deleted. Returns how many were not recorded
        before.
        """

    def purge_reads(self, kept: ReadsKept, limit: int) -> int:
        """Delete reads that are older than their camera's days: rows of expired segments with the
        detections that only they show, and detections without a segment. Returns how many rows.
        """

    def purge_passes(self, kept: ReadsKept, limit: int) -> int:
        """Delete passes that are older than their camera's days and have neither reads nor pictures
        any more. Returns how many.
        """

    def purge_access_log(self, days: float, limit: int) -> int:
        """Delete lines of the access log that are older. Returns how many."""
