"""Windows and parts, as the pacer moves them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from shared.domain.lifecycle import SegmentStatus
from shared.domain.policy import RecordingPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSegment:
    """A segment that is recording or finalizing, as the pacer sees it.

    needed_ms: the start of its oldest unfinished part that is not encoded yet, None when there is none.
    has_due: whether any part waits to be offered.
    """

    segment_id: UUID
    camera_id: str
    status: SegmentStatus
    start_ms: int
    deadline_ms: int
    covered_to_ms: int
    policy: RecordingPolicy
    needed_ms: int | None
    has_due: bool
    late_ms: int = 0

    @property
    def hold_ms(self) -> int:
        """The oldest frame that is still needed."""
        return self.covered_to_ms if self.needed_ms is None else self.needed_ms

    @property
    def needs_frames(self) -> bool:
        """Whether the buffer must keep anything for it."""
        return self.status == SegmentStatus.RECORDING or self.needed_ms is not None


class PacerRows(Protocol):
    """Windows and parts, as the pacer moves them."""

    def live(self) -> list[LiveSegment]:
        """Every segment that is recording or finalizing."""

    def parked_parts(self) -> set[tuple[str, str]]:
        """Camera and id of every unfinished part whose packets wait for the store."""

    def advance(
        self,
        camera_id: str,
        watermark_ms: int,
        *,
        silent: bool,
        still_ms: int = 0,
        behind_ms: int = 0,
        deadline_ms: int | None = None,
    ) -> bool:
        """Plan the parts the buffer has passed, close the window it has passed; True if anything changed.

        deadline_ms: the window that was judged silent. When it has grown meanwhile, a detection came, and the camera
        is judged anew.
        """

    def expire_leases(self) -> int:
        """Take back parts and segments whose writer has not renewed its lease; give up those that failed too often."""

    def relay_events(
        self,
        publish: Callable[[Sequence[tuple[str, Mapping[str, Any]]]], Sequence[str | None]],
        limit: int,
        hooks: Mapping[str, Collection[str]],
    ) -> int:
        """Hand at most `limit` waiting events to `publish`, oldest first; those it took are marked, others wait.

        Returns how many there were. What `publish` raises leaves all of them unmarked.
        """

    def wait(self, timeout_s: float) -> None:
        """Return early when a segment's part came in."""
