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

    needed_ms: the start of its oldest unfinished part that is not encoded yet, None when there is
    none. has_due: whether a part waits to be offered.
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
        """Capture time of the oldest frame that the segment still needs."""
        return self.covered_to_ms if self.needed_ms is None else self.needed_ms

    @property
    def needs_frames(self) -> bool:
        """Whether the buffer must keep frames for it."""
        return self.status == SegmentStatus.RECORDING or self.needed_ms is not None


class PacerRows(Protocol):
    """Windows and parts, as the pacer moves them."""

    def live(self) -> list[LiveSegment]:
        """Returns every segment that is recording or finalizing."""

    def parked_parts(self) -> set[tuple[str, str]]:
        """Returns camera and id of every unfinished part whose packets wait for the store."""

    def switch(self, camera_id: str, policy: RecordingPolicy) -> bool:
        """Let the open recording go on as this policy says: in a new segment from the border on, or
        as it is where it began after it. Returns whether anything changed.
        """

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
        """Plan the parts that the buffer has passed, and close the window that it has passed.

        Returns whether anything changed. deadline_ms: the end of the window that was judged silent.
        If the window has grown meanwhile, a detection came, and the camera must be judged anew.
        """

    def expire_leases(self) -> int:
        """Take back runs whose lease ran out, and give up those that failed too often.

        Returns how many.
        """

    def relay_events(
        self,
        publish: Callable[[Sequence[tuple[str, Mapping[str, Any]]]], Sequence[str | None]],
        limit: int,
        webhooks: Mapping[str, Collection[str]],
    ) -> int:
        """Hand at most `limit` waiting events to `publish`, oldest first.

        Published events are marked, others wait. Returns how many there were. If `publish` raises,
        none is marked.
        """

    def wait(self, timeout_s: float) -> None:
        """Wait for timeout_s, or until a segment's part came in."""
