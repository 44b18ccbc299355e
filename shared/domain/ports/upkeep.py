"""Jobs that take turns, and what the audit compares objects with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of upkeep somebody asked for, or that fell due.

    regular: the turn that nobody watches. cursor: where an earlier step stopped; None for the first.
    """

    job_id: UUID
    kind: str
    params: dict[str, Any]
    regular: bool = False
    cursor: dict[str, Any] | None = None


Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is (0: not known)."""


class Jobs(Protocol):
    """Upkeep: sweep and audit take their turn in the database, so two beats or none do no harm."""

    def request(self, kind: str, params: Mapping[str, Any], who: str) -> UUID:
        """Ask for a job."""

    def get(self, job_id: UUID) -> dict[str, Any]:
        """How it stands; raises NotFound."""

    def due(self, periods_s: Mapping[str, float]) -> list[Job]:
        """Jobs to start: requested ones, and kinds whose last run is older than two periods."""

    def begin(self, job_id: UUID) -> Job | None:
        """Take a job; None when somebody has it."""

    def begin_turn(self, kind: str, period_s: float) -> Job | None:
        """Take the regular turn of a kind, unless one ran within this period."""

    def pause(self, job_id: UUID, cursor: Mapping[str, Any]) -> None:
        """A step is done and there is more to do: the pacer offers the next one, which begins at `cursor`."""

    def put_off(self, job_id: UUID) -> None:
        """Try a step again later from the same place: what stood in its way will pass. Not for ever."""

    def usual_archived(self, runs: int) -> int:
        """The most clips that one of the last so many cleanups has archived."""

    def tell(self, job_id: UUID, progress: Mapping[str, Any]) -> None:
        """Store how far it is."""

    def finish(self, job_id: UUID, result: Mapping[str, Any], error: str | None = None) -> None:
        """Store its result."""

    def purge_outbox(self, older_than_s: float) -> Mapping[str, int]:
        """Drop events that were relayed long ago, and deliveries that are over or were never tried.

        The latter are of a webhook that has rested all the time, or is no more; answers how many by webhook.
        """


@dataclass(frozen=True, slots=True)
class Expectation:
    """An object that a row expects: the segment, its status, and the recorded size where there is one."""

    segment_id: UUID
    status: str
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
    status: str
    file_path: str
    size_bytes: int | None


class Ledger(Protocol):
    """What the audit compares objects with."""

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


class Repairs(Protocol):
    """Ways back for segments that a crash or the store left behind. Every call says whether it changed anything."""

    def reopen(self, segment_id: UUID, reason: str) -> bool:
        """A READY or FAILED segment that has footage in parts goes through finalising again."""

    def lose(self, segment_id: UUID, reason: str) -> bool:
        """A READY segment whose object is gone for good is FAILED, and says why."""

    def give_up(self, segment_id: UUID) -> bool:
        """End an abandoned recording: its window is closed, and parts that nobody wrote are gaps."""

    def forget_parts(self, segment_id: UUID) -> bool:
        """Drop the rows of a finished segment's parts; False when it is not finished (any more)."""
