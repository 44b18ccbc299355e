"""Jobs that take turns: cleanups, checks and backups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

from shared.domain.job import Job, JobKind, JobState
from shared.domain.json_object import JsonObject

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is (0: not known)."""


class JobRows(Protocol):
    """Cleanups and checks take their turn in the database, so two beats, or none, do no harm."""

    def request(self, kind: JobKind, params: JsonObject, who: str) -> UUID:
        """Ask for a job. Returns its id."""

    def get(self, job_id: UUID) -> JobState:
        """Returns how a job stands; raises NotFound."""

    def due(self, periods_s: Mapping[JobKind, float]) -> list[Job]:
        """Returns jobs to start: requested ones, and kinds whose last run is older than two
        periods.
        """

    def begin(self, job_id: UUID) -> Job | None:
        """Take a job. Returns None when another worker has it."""

    def begin_turn(self, kind: JobKind, period_s: float) -> Job | None:
        """Take the regular turn of a kind. Returns None when one ran within this period."""

    def begin_nightly(self, kind: JobKind, since_ms: int) -> Job | None:
        """Take the night's turn of a kind. Returns None while one runs, or when one that began
        since then is done: one that failed is made up for.
        """

    def pause(self, job_id: UUID, cursor: JsonObject) -> None:
        """End a step of a job that has more to do.

        The pacer offers the next step, which begins at `cursor`.
        """

    def put_off(self, job_id: UUID) -> None:
        """Try a step again later from the same place, because what stopped it will pass.

        After several times in a row the job fails.
        """

    def usual_archived(self, runs: int) -> int:
        """Returns the most clips that one of the last `runs` cleanups archived."""

    def tell(self, job_id: UUID, progress: JsonObject) -> None:
        """Store the job's progress."""

    def finish(self, job_id: UUID, result: JsonObject, error: str | None = None) -> None:
        """Store the job's result, or its error."""

    def purge_outbox(self, older_than_s: float) -> Mapping[str, int]:
        """Delete events that were relayed long ago, and deliveries that ended or were never tried.

        Returns how many of the latter, by webhook: their webhook was always away, or is not
        configured any more.
        """
