"""What the consistency check compares objects with, and how it repairs rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.domain.lifecycle import SegmentStatus


@dataclass(frozen=True, slots=True)
class Expectation:
    """An object that a row expects: the segment, and the recorded size where there is one."""

    segment_id: UUID
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class ReadyClip:
    """What a READY row promises of its object."""

    segment_id: UUID
    key: str
    size_bytes: int
    sha256: str
    frame_count: int


@dataclass(frozen=True, slots=True)
class FinishedClip:
    """A segment past finalising whose parts still have rows."""

    segment_id: UUID
    status: SegmentStatus
    file_path: str
    size_bytes: int | None


class ConsistencyRows(Protocol):
    """Rows as the consistency check sees and repairs them."""

    def deployment_id(self) -> UUID:
        """The id that the bucket's sentinel must hold."""

    def expected(self, keys: Sequence[str]) -> dict[str, Expectation]:
        """Which of these keys under videos/, thumbnails/ and parts/ some row expects."""

    def count_ready(self) -> int:
        """How many clips there are."""

    def now_ms(self) -> int:
        """The database's time: what is old is judged by one clock, whichever host asks."""

    def ready_clips(self, after: str, until: str | None, limit: int) -> list[ReadyClip]:
        """READY segments in byte order of their key: after a key, and up to another (None: all)."""

    def note_suspects(self, run_id: UUID, kind: str, suspects: Sequence[tuple[str, UUID | None]]) -> None:
        """Remember what a check has found: keys, each with its segment where there is one."""

    def suspects(self, run_id: UUID, kind: str, after: str, limit: int) -> list[str]:
        """Keys that were remembered, in order, after a key."""

    def forget_suspects(self, run_id: UUID) -> None:
        """The check is over: forget what it remembered, and what others left that never ended."""

    def ready_clip(self, key: str) -> ReadyClip | None:
        """The READY segment of a key, None when there is none (any more)."""

    def finished_with_parts(self, older_than_s: float, limit: int) -> list[FinishedClip]:
        """Segments past finalising for that long whose parts still have rows, oldest first."""

    def unfinished(self, older_than_s: float) -> list[UUID]:
        """Segments that should have been finished that long ago and that nobody is working on."""

    def failed_with_parts(self, most_repairs: int) -> list[UUID]:
        """FAILED segments that have footage in parts and were sent back at most that often."""

    def half_deleted(self, older_than_s: float) -> list[UUID]:
        """Segments marked for deletion that long ago whose deletion is not recorded."""

    # Ways back for segments that a crash or the store left behind. Every call says whether it changed anything.

    def reopen(self, segment_id: UUID, reason: str) -> bool:
        """A READY or FAILED segment that has footage in parts goes through finalising again."""

    def lose(self, segment_id: UUID, reason: str) -> bool:
        """A READY segment whose object is gone for good is FAILED, and says why."""

    def give_up(self, segment_id: UUID) -> bool:
        """End an abandoned recording: its window is closed, and parts that nobody wrote are gaps."""

    def forget_parts(self, segment_id: UUID) -> bool:
        """Drop the rows of a finished segment's parts; False when it is not finished (any more)."""
