"""Jobs that take turns: cleanups and checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

from shared.domain.job import Job, JobKind, JobState
from shared.domain.json_object import JsonObject

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is (0: not known)."""


class JobRows(Protocol):
    """Upkeep: cleanup and check take their turn in the database, so two beats or none do no harm."""

    def request(self, kind: JobKind, params: JsonObject, who: str) -> UUID:
        """Ask for a job."""

    def get(self, job_id: UUID) -> JobState:
        """How it stands; raises NotFound."""

    def due(self, periods_s: Mapping[JobKind, float]) -> list[Job]:
        """Jobs to start: requested ones, and kinds whose last run is older than two periods."""

    def begin(self, job_id: UUID) -> Job | None:
        """Take a job; None when somebody has it."""

    def begin_turn(self, kind: JobKind, period_s: float) -> Job | None:
        """Take the regular turn of a kind, unless one ran within this period."""

    def pause(self, job_id: UUID, cursor: JsonObject) -> None:
        """A step is done and there is more to do: the pacer offers the next one, which begins at `cursor`."""

    def put_off(self, job_id: UUID) -> None:
        """Try a step again later from the same place: what stood in its way will pass. Not for ever."""

    def usual_archived(self, runs: int) -> int:
        """The most clips that one of the last so many cleanups has archived."""

    def tell(self, job_id: UUID, progress: JsonObject) -> None:
        """Store how far it is."""

    def finish(self, job_id: UUID, result: JsonObject, error: str | None = None) -> None:
        """Store its result."""

    def purge_outbox(self, older_than_s: float) -> Mapping[str, int]:
        """Drop events that were relayed long ago, and deliveries that are over or were never tried.

        The latter are of a webhook that has rested all the time, or is no more; answers how many by webhook.
        """
