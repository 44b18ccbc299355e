"""Jobs: cleanups, checks and backups that take turns, or that somebody waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.domain.json_object import JsonObject

# A job of which nothing was heard for so long is given to another worker. A step takes a minute,
# and is ended after four.
STALE_SECONDS = 300.0


class JobKind(StrEnum):
    """What a job does."""

    CLEANUP = "cleanup"  # one run of retention
    CHECK = "check"  # compares rows with objects, and counters with rows
    BACKUP = "backup"  # copies the database into a store


class JobStatus(StrEnum):
    """Where a job is."""

    REQUESTED = "requested"  # waits for a worker, or for its next step
    RUNNING = "running"  # a worker is at a step of it
    DONE = "done"  # `result` has what it did
    FAILED = "failed"  # `error` says why


FINISHED = frozenset({JobStatus.DONE, JobStatus.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that a worker is to do a step of."""

    job_id: UUID
    kind: JobKind
    params: JsonObject
    regular: bool = False  # the turn that nobody asked for
    cursor: JsonObject | None = None  # where an earlier step stopped; None for the first


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How a job stands."""

    id: UUID
    kind: JobKind
    params: JsonObject
    state: JobStatus
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: JsonObject | None  # what is being done, how much of it is done, and how much there is
    result: JsonObject | None
    error: str | None
