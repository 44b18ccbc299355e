"""Rows of windows and parts, as pacer and writers move them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from shared.domain.lifecycle import SegmentStatus
from shared.domain.parts import ClipForm, Gap, PartFacts, StoredPart
from shared.domain.policy import RecordingPolicy


@dataclass(frozen=True, slots=True)
class Offer:
    """A part or a segment that the writers are told of, and which of its offers that is."""

    row_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """A segment that is recording or finalizing, as the pacer sees it.

    needed_ms: the start of its oldest unfinished part that is not encoded yet, None when there is none.
    has_due: whether any part waits to be offered.
    """

    segment_id: UUID
    camera_id: str
    status: str
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


@dataclass(frozen=True, slots=True)
class PartRun:
    """A writer's right to make one part, until its lease runs out; `parked`: the facts of what is encoded already."""

    part_id: UUID
    segment_id: UUID
    camera_id: str
    number: int
    start_ms: int
    end_ms: int
    trigger_ms: int
    token: str
    attempts: int
    policy: RecordingPolicy
    form: ClipForm | None
    parked: PartFacts | None = None


@dataclass(frozen=True, slots=True)
class FinaliseRun:
    """A writer's right to finalise one segment."""

    segment_id: UUID
    camera_id: str
    file_path: str
    thumbnail_path: str
    start_ms: int
    deadline_ms: int
    trigger_ms: int
    token: str
    attempts: int
    policy: RecordingPolicy
    form: ClipForm | None
    continues_from_ms: int | None
    parts: tuple[StoredPart, ...]
    closed_early: str | None = None


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What READY records of a finished clip."""

    first_frame_ms: int
    duration_ms: int
    size_bytes: int
    sha256: str
    frame_count: int
    frames_lost: int
    gaps: tuple[Gap, ...]
    pre_roll_requested_ms: int
    pre_roll_delivered_ms: int
    has_thumbnail: bool
    truncated_reason: str | None
    fragments: tuple[tuple[int, int], ...] = ()


class Pacing(Protocol):
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


class OfferRows(Protocol):
    """What is due, and what the writers have been told of. An offer stays good until its run begins."""

    def offer_parts(self, passed: Mapping[UUID, int | None], limit: int) -> list[Offer]:
        """Offer at most so many due parts of these segments, oldest first.

        passed: capture time (ms) up to which the buffer has passed a segment; None: its parts wait for nothing.
        """

    def offer_clips(self, limit: int) -> list[Offer]:
        """Offer at most so many closed segments whose parts are all in, oldest first."""

    def withdraw_parts(self, offers: Sequence[Offer]) -> None:
        """These offers could not be published: the parts are due again."""

    def withdraw_clips(self, offers: Sequence[Offer]) -> None:
        """These offers could not be published: the segments can be offered again."""

    def take_back_lost_parts(self, *, queue_empty: bool) -> int:
        """Make due again what was offered a while ago and can no longer be in the queue; how many that were."""

    def take_back_lost_clips(self, *, queue_empty: bool) -> int:
        """The same for segments that wait to be finalised."""


class Writing(Protocol):
    """Runs of parts and segments, as the writers move them."""

    def begin_part(self, part_id: UUID, offer: int) -> PartRun | None:
        """Start a run, or None when the offer is no longer good: a run of it began, or it was taken back."""

    def renew_part(self, part_id: UUID, token: str) -> bool:
        """Prolong the lease; False when it is lost."""

    def fix_form(self, segment_id: UUID, form: ClipForm) -> ClipForm:
        """Fix the recording's size and encoder once; answers those that hold."""

    def commit_part(self, part_id: UUID, token: str, object_key: str | None, facts: PartFacts) -> bool:
        """The part is done; False when the run had lost its right."""

    def park_part(self, part_id: UUID, token: str, facts: PartFacts, reason: str) -> bool:
        """Storage refuses: the packets wait elsewhere, and the part is due again later. False: the right was lost."""

    def fail_part(self, part_id: UUID, token: str, reason: str, *, retryable: bool) -> None:
        """The run ended without a part."""

    def begin_finalise(self, segment_id: UUID, offer: int) -> FinaliseRun | None:
        """Start finalising, or None when the offer is no longer current."""

    def renew_finalise(self, segment_id: UUID, token: str) -> bool:
        """Prolong the lease; False when it is lost."""

    def commit_ready(self, segment_id: UUID, token: str, facts: ClipFacts) -> bool:
        """READY, its counters and its event, in one transaction."""

    def commit_failed(self, segment_id: UUID, token: str, reason: str, gaps: Sequence[Gap]) -> bool:
        """FAILED, and its event."""

    def fail_finalise(self, segment_id: UUID, token: str, reason: str, *, retryable: bool) -> None:
        """The finalising run ended without a clip."""
