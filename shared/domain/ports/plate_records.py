"""What is kept of one plate, and how it is erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.domain.access import AccessEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedClip:
    """A clip that keeps a plate from being erased. reason: `protected`, or the status of one that
    is still being made.
    """

    segment_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What goes, or went, when a plate is erased.

    reads: detections of its passes, and of no pass. misreads: reads of other vehicles that lose
    this plate. pictures: passes that have some, and reads with their detector's own. clips: of this
    plate alone; they are marked for deletion. kept: clips that show other plates, too. log_lines:
    of the access log, which lose the plate. lists: those that have an entry of it; these stay.
    refused: where there is one, nothing is erased.
    """

    passes: int
    reads: int
    misreads: int
    pictures: int
    clips: Sequence[UUID]
    kept: Sequence[UUID]
    refused: Sequence[RefusedClip]
    lists: Sequence[str]
    log_lines: int = 0


class PlateRecordRows(Protocol):
    """Rows that name a plate. Its passes are those whose best or corrected plate it is."""

    def passes_of(self, plate: str) -> list[UUID]:
        """Returns its passes, in order of time."""

    def lists_with(self, plate: str) -> list[str]:
        """Returns the names of the lists that have an entry of it."""

    def log_lines(self, plate: str, after: int, limit: int) -> tuple[list[AccessEntry], int | None]:
        """Looks at `limit` lines of the access log after an id. Returns those that name the plate,
        and where to go on; None at the end.
        """

    def would_erase(self, plate: str) -> Erasure:
        """Returns what goes when the plate is erased. Changes nothing."""

    def pictures_of(self, plate: str) -> list[str]:
        """Returns the keys of the pictures of its passes and reads."""

    def erase(self, plate: str, who: str) -> tuple[Erasure, list[str]]:
        """Mark its clips, delete its passes with their reads, and take the plate from all other
        rows but those of lists and of the access log, all of it or nothing.

        Returns what went, and the keys of pictures whose rows went. Raises Conflict, which names
        the clips that refuse; Retryable where the plate was read at another camera meanwhile.
        """

    def strike_out(self, plate: str, after: int, limit: int) -> tuple[int, int | None]:
        """Take the plate from the lines that `log_lines` finds. Returns how many, and where to go
        on.
        """
