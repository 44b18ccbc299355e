"""What the consistency check compares objects with, and how it repairs rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.domain.lifecycle import SegmentStatus


@dataclass(frozen=True, slots=True)
class Expectation:
    """An object that a row expects: its segment (of a picture, its pass, if it is of one), and its
    size where the row has one.
    """

    row_id: UUID | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class ReadyClip:
    """What a READY row says of its object."""

    segment_id: UUID
    key: str
    size_bytes: int
    sha256: str
    frame_count: int


@dataclass(frozen=True, slots=True)
class ReadyStrip:
    """A READY row's strip."""

    segment_id: UUID
    key: str


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
        """Returns the id that the store's sentinel must hold."""

    def expected(self, keys: Sequence[str]) -> dict[str, Expectation]:
        """Returns which of these keys some row expects (videos/, thumbnails/, strips/, parts/,
        pictures/).
        """

    def count_ready(self) -> int:
        """Returns how many clips are ready."""

    def now_ms(self) -> int:
        """Returns the database's time: one clock judges ages, whichever host asks."""

    def ready_clips(self, after: str, until: str | None, limit: int) -> list[ReadyClip]:
        """Returns READY segments in byte order of their key, after one key and up to another (None:
        the last).
        """

    def ready_strips(self, after: str, until: str | None, limit: int) -> list[ReadyStrip]:
        """Returns strips of READY segments likewise."""

    def has_strip(self, key: str) -> bool:
        """Returns whether a READY segment has its strip there."""

    def note_suspects(
        self, run_id: UUID, kind: str, suspects: Sequence[tuple[str, UUID | None]]
    ) -> None:
        """Remember what a check has found: keys, each with its segment where it has one."""

    def suspects(self, run_id: UUID, kind: str, after: str, limit: int) -> list[str]:
        """Returns remembered keys after a key, in order."""

    def forget_suspects(self, run_id: UUID) -> None:
        """Forget what this check remembered, and what checks that never ended left behind."""

    def ready_clip(self, key: str) -> ReadyClip | None:
        """Returns the READY segment of a key, or None."""

    def finished_with_parts(self, older_than_s: float, limit: int) -> list[FinishedClip]:
        """Returns segments that have been past finalising for that long and still have parts,
        oldest first.
        """

    def unfinished(self, older_than_s: float) -> list[UUID]:
        """Returns segments that should have been finished that long ago and that nobody works
        on.
        """

    def failed_with_parts(self, most_repairs: int) -> list[UUID]:
        """Returns FAILED segments that have footage in parts and were repaired at most that
        often.
        """

    def half_deleted(self, older_than_s: float) -> list[UUID]:
        """Returns segments that were marked for deletion that long ago and are still not recorded
        as deleted.
        """

    # Ways back for segments that a crash or the store left behind. Every call says whether it
    # changed anything.

    def reopen(self, segment_id: UUID, reason: str) -> bool:
        """Finalise a READY or FAILED segment again that has footage in parts.

        Returns whether anything changed.
        """

    def lose(self, segment_id: UUID, reason: str) -> bool:
        """Make a READY segment FAILED whose object is lost for good.

        Returns whether anything changed.
        """

    def forget_strip(self, key: str) -> bool:
        """Record that the READY segment whose strip is there has none.

        Returns whether anything changed.
        """

    def give_up(self, segment_id: UUID) -> bool:
        """End an abandoned recording: close its window, and make gaps of parts that nobody wrote.

        Returns whether anything changed.
        """

    def forget_parts(self, segment_id: UUID) -> bool:
        """Delete the rows of a finished segment's parts.

        Returns False when it is not finished any more.
        """
