"""Takes a turn or a requested job, does one step of it, and stores the outcome.

A step lasts about a minute, so no job ever holds a worker for long. A job of any length gets done:
the next step begins where this one stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded

from shared.domain.errors import PlatereelError, Retryable
from shared.domain.job import Job, JobKind
from shared.domain.json_object import JsonObject
from shared.domain.ports import Clock, JobRows, Progress
from shared.runtime.logs import logger

_log = logger(__name__)

TOLD_EVERY_SECONDS = 1.0
STEP_SECONDS = 45.0
# Far more than a step: one clip of an hour is read back within it.
TIME_LIMIT_SECONDS, SOFT_LIMIT_SECONDS = 240, 210


@dataclass(frozen=True, slots=True)
class Step:
    """The state of a job after a step. `cursor`: where its next step begins, None when it is
    done.
    """

    result: dict[str, Any]
    cursor: dict[str, Any] | None = None


Work = Callable[[Job, Progress], Step]


def take_turn(
    jobs: JobRows, clock: Clock, kind: JobKind, job_id: str | None, period_s: float, work: Work
) -> None:
    """Do one step under a job row. A second worker finds the turn taken and does nothing."""
    job = jobs.begin_turn(kind, period_s) if job_id is None else jobs.begin(UUID(job_id))
    if job is not None:
        do_step(jobs, clock, job, work)


def do_step(jobs: JobRows, clock: Clock, job: Job, work: Work) -> None:
    """Do one step of a job that was taken.

    A job ends on any error, and reports it: a job that cannot go on must not stop its kind from
    running again. An error that passes (a server that is away, a worker that is told to stop) puts
    its step off, a few times in a row.
    """
    try:
        step = work(job, _teller(jobs, clock, job.job_id))
    except (Retryable, SystemExit):
        jobs.put_off(job.job_id)
        raise
    except BaseException as error:
        jobs.finish(job.job_id, {}, _reason(error))
        raise
    if step.cursor is not None:
        jobs.pause(job.job_id, step.cursor)
        return
    jobs.finish(job.job_id, step.result)
    _log.info(
        "job_done",
        kind=job.kind,
        **{k: v for k, v in step.result.items() if isinstance(v, int | str)},
    )


def in_steps(work: Callable[[JsonObject | None], Step]) -> dict[str, Any]:
    """Do a job step after step, for a command that waits for it. Returns its result."""
    step = work(None)
    while step.cursor is not None:
        step = work(step.cursor)
    return step.result


def _reason(error: BaseException) -> str:
    if isinstance(error, PlatereelError):
        return error.message
    return (
        "a step took too long" if isinstance(error, SoftTimeLimitExceeded) else type(error).__name__
    )


def _teller(jobs: JobRows, clock: Clock, job_id: UUID) -> Progress:
    """Returns a call that stores a job's progress, once a second at most."""
    told = clock.monotonic()

    def tell(phase: str, done: int, total: int) -> None:
        nonlocal told
        if clock.monotonic() - told >= TOLD_EVERY_SECONDS:
            told = clock.monotonic()
            jobs.tell(job_id, {"phase": phase, "done": done, "total": total or None})

    return tell
