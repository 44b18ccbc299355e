"""Names and payloads of the tasks. A payload carries ids, never pixels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar
from uuid import UUID

from shared.domain.job import JobKind


@dataclass(frozen=True, slots=True)
class WritePart:
    """Make one part, if `offer` is still the current one."""

    NAME: ClassVar[str] = "platereel.write_part"
    QUEUE: ClassVar[str] = "parts"
    part_id: str
    offer: int


@dataclass(frozen=True, slots=True)
class Finalise:
    """Join a closed segment's parts, if `offer` is still the current one."""

    NAME: ClassVar[str] = "platereel.finalise"
    QUEUE: ClassVar[str] = "finalise"
    segment_id: str
    offer: int


@dataclass(frozen=True, slots=True)
class Cleanup:
    """One run of retention: the regular turn, or a requested job."""

    NAME: ClassVar[str] = "platereel.cleanup"
    QUEUE: ClassVar[str] = "retention"
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of rows with objects: the regular turn, or a requested job."""

    NAME: ClassVar[str] = "platereel.check"
    QUEUE: ClassVar[str] = "consistency"
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """One copy of the database: the nightly turn, or a job that was missed."""

    NAME: ClassVar[str] = "platereel.backup"
    QUEUE: ClassVar[str] = "backup"
    job_id: str | None = None


Task = WritePart | Finalise | Cleanup | Check | Backup
TASKS: tuple[type[Task], ...] = (WritePart, Finalise, Cleanup, Check, Backup)
WRITER_QUEUES = (WritePart.QUEUE, Finalise.QUEUE)
JOB_TASKS: dict[JobKind, type[Cleanup | Check | Backup]] = {
    JobKind.CLEANUP: Cleanup,
    JobKind.CHECK: Check,
    JobKind.BACKUP: Backup,
}
UPKEEP_QUEUES = (Cleanup.QUEUE, Check.QUEUE, Backup.QUEUE)
QUEUES = (*WRITER_QUEUES, *UPKEEP_QUEUES)
ROUTES = {task.NAME: {"queue": task.QUEUE} for task in TASKS}


def encode_task(task: Task) -> dict[str, Any]:
    """Returns the keyword arguments of a task message."""
    return asdict(task)


def write_part(part_id: UUID, offer: int) -> WritePart:
    """Returns the message for a part."""
    return WritePart(str(part_id), offer)


def finalise(segment_id: UUID, offer: int) -> Finalise:
    """Returns the message for a segment."""
    return Finalise(str(segment_id), offer)
