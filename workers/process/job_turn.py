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
from shared.domain.job import STALE_SECONDS, Job, JobKind
from shared.domain.json_object import JsonObject
from shared.domain.ownership import deadline_s
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
    asked_at_s = clock.monotonic()
    job = jobs.begin_turn(kind, period_s) if job_id is None else jobs.begin(UUID(job_id))
    if job is not None:
        do_step(jobs=jobs, clock=clock, job=job, asked_at_s=asked_at_s, work=work)


def do_step(*, jobs: JobRows, clock: Clock, job: Job, asked_at_s: float, work: Work) -> None:
    """Do one step of a job that was taken. asked_at_s: monotonic time from before it was taken.

    A job ends on any error, and reports it: a job that cannot go on must not stop its kind from
    running again. An error that passes (a server that is away, a worker that is told to stop) puts
    its step off, a few times in a row. A worker that stood for so long that the job is another's
    now writes nothing any more.
    """
    turn = _Turn(jobs, clock, job.job_id, asked_at_s, clock.monotonic())
    try:
        step = work(job, turn.tell)
    except (Retryable, SystemExit):
        turn.end(lambda: jobs.put_off(job.job_id))
        raise
    except BaseException as error:
        reason = _reason(error)
        turn.end(lambda: jobs.finish(job.job_id, {}, reason))
        raise
    following = step.cursor
    if following is not None:
        turn.end(lambda: jobs.pause(job.job_id, following))
        return
    if turn.end(lambda: jobs.finish(job.job_id, step.result)):
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


@dataclass(slots=True)
class _Turn:
    """A worker's right to a job: it ends here before it ends in the database."""

    _jobs: JobRows
    _clock: Clock
    _job_id: UUID
    _asked_at_s: float
    _told_at_s: float

    def tell(self, phase: str, done: int, total: int) -> None:
        """Store the job's progress, once a second at most."""
        now_s = self._clock.monotonic()
        if now_s - self._told_at_s >= TOLD_EVERY_SECONDS and self._holds():
            progress = {"phase": phase, "done": done, "total": total or None}
            self._jobs.tell(self._job_id, progress)
            self._asked_at_s = self._told_at_s = now_s

    def end(self, write: Callable[[], None]) -> bool:
        """Write how the step ended. Returns whether it was this worker's to write."""
        if self._holds():
            write()
            return True
        _log.warning("job_taken_over", job_id=str(self._job_id))
        return False

    def _holds(self) -> bool:
        return self._clock.monotonic() < deadline_s(self._asked_at_s, STALE_SECONDS)
