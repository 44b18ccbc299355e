"""Jobs that take turns, and what the audit compares objects with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of upkeep somebody asked for, or that fell due."""

    job_id: UUID
    kind: str
    params: dict[str, Any]


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

    def finish(self, job_id: UUID, result: Mapping[str, Any], error: str | None = None) -> None:
        """Store its result."""

    def purge_outbox(self, older_than_s: float) -> None:
        """Drop events that were relayed long ago."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """An object that a row expects: the segment, its status, and the recorded size where there is one."""

    segment_id: UUID
    status: str
    size_bytes: int | None


class Ledger(Protocol):
    """What the audit compares objects with."""

    def deployment_id(self) -> UUID:
        """The id that the bucket's sentinel must hold."""

    def expected(self, keys: Sequence[str]) -> dict[str, Expectation]:
        """Which of these keys under videos/, thumbnails/ and parts/ some row expects."""

    def ready_objects(self, after: str, limit: int) -> list[tuple[str, UUID, int, str]]:
        """READY segments in order of key: key, id, size, sha256."""

    def finished_with_parts(self) -> list[UUID]:
        """Segments past finalising whose parts still have rows."""
