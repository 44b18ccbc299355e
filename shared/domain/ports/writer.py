"""Runs of parts and segments, as the writers move them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.domain.gaps import Gap, GapCause, PartFacts, StoredPart
from shared.domain.parts import ClipForm
from shared.domain.policy import RecordingPolicy
from shared.domain.strips import Strip


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRun:
    """A writer's right to make one part until its lease runs out.

    `parked`: the facts of packets that are encoded already. `detections`: ids of the segment's
    first ones, so that a log can be searched for them.
    """

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
    detections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FinaliseRun:
    """A writer's right to finalise one segment. mended: a check sent it through again.

    `detections`: as of a part.
    """

    segment_id: UUID
    camera_id: str
    file_path: str
    thumbnail_path: str
    strip_path: str
    start_ms: int
    deadline_ms: int
    trigger_ms: int
    token: str
    attempts: int
    policy: RecordingPolicy
    form: ClipForm | None
    continues_from_ms: int | None
    parts: tuple[StoredPart, ...]
    closed_early: GapCause | None = None
    mended: bool = False
    detections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """What READY records of a finished clip. strip: where it is stored and what stands on it."""

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
    strip: tuple[str, Strip] | None = None


class WriterRows(Protocol):
    """Runs of parts and segments, as the writers move them."""

    def begin_part(self, part_id: UUID, offer: int) -> PartRun | None:
        """Start a run.

        Returns None when the offer is no longer good: a run of it began, or it was taken back.
        """

    def renew_part(self, part_id: UUID, token: str) -> bool:
        """Renew the lease. Returns False when it is lost."""

    def fix_form(self, segment_id: UUID, form: ClipForm) -> ClipForm:
        """Fix the clip's size and encoder once. Returns those that are fixed."""

    def commit_part(
        self, part_id: UUID, token: str, object_key: str | None, facts: PartFacts
    ) -> bool:
        """Record that the part is done. Returns False when the run had lost its lease."""

    def park_part(self, part_id: UUID, token: str, facts: PartFacts, reason: str) -> bool:
        """Record that storage refuses: the packets are parked, and the part is due again later.

        Returns False when the lease was lost.
        """

    def fail_part(self, part_id: UUID, token: str, reason: str, *, retryable: bool) -> None:
        """Record that the run ended without a part."""

    def begin_finalise(self, segment_id: UUID, offer: int) -> FinaliseRun | None:
        """Start finalising. Returns None when the offer is no longer current."""

    def renew_finalise(self, segment_id: UUID, token: str) -> bool:
        """Renew the lease. Returns False when it is lost."""

    def commit_ready(self, segment_id: UUID, token: str, facts: ClipFacts) -> bool:
        """Record a finished clip: READY, its counters and its event, in one transaction.

        Returns False when the lease was lost.
        """

    def commit_failed(self, segment_id: UUID, token: str, reason: str, gaps: Sequence[Gap]) -> bool:
        """Record that there is no clip: FAILED, and its event.

        Returns False when the lease was lost.
        """

    def fail_finalise(self, segment_id: UUID, token: str, reason: str, *, retryable: bool) -> None:
        """Record that the finalising run ended without a clip."""
