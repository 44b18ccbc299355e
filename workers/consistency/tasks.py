"""The check as a task."""

from __future__ import annotations

from celery import Celery

from shared.domain.job import Job, JobKind
from shared.domain.ports import Progress
from shared.wire.tasks import Check
from workers.consistency.check import check
from workers.process.boundary import at_the_boundary
from workers.process.job_turn import SOFT_LIMIT_SECONDS, STEP_SECONDS, TIME_LIMIT_SECONDS, Step, take_turn
from workers.process.overrun import Overruns
from workers.wiring import world


def register(app: Celery, overruns: Overruns) -> None:
    """Add the check to `app`."""

    @app.task(name=Check.NAME, time_limit=TIME_LIMIT_SECONDS, soft_time_limit=SOFT_LIMIT_SECONDS, shared=False)
    def run(job_id: str | None = None) -> None:
        with at_the_boundary(Check.NAME, SOFT_LIMIT_SECONDS, overruns):
            ports = world().check
            take_turn(
                jobs=ports.jobs,
                clock=ports.clock,
                kind=JobKind.CHECK,
                job_id=job_id,
                period_s=world().check_seconds,
                work=_step,
            )


def _step(job: Job, tell: Progress) -> Step:
    """The regular turn repairs what loses nothing, whoever began it: beat, or the pacer in its place."""
    params = {"repair": True, "regular": True} if job.regular else job.params
    return check(ports=world().check, params=params, progress=tell, cursor=job.cursor, longest_s=STEP_SECONDS)
