"""The check as a task."""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery

from shared.domain.job import Job, JobKind
from shared.domain.ports import Progress
from shared.wire.tasks import Check
from workers.consistency.check import check
from workers.consistency.ports import CheckPorts
from workers.process.boundary import at_the_boundary
from workers.process.job_turn import (
    SOFT_LIMIT_SECONDS,
    STEP_SECONDS,
    TIME_LIMIT_SECONDS,
    Step,
    take_turn,
)
from workers.process.overrun import Overruns


def register(app: Celery, overruns: Overruns, ports: Callable[[], CheckPorts]) -> None:
    """Add the check to `app`; ports: asked for in the process that runs the task."""

    @app.task(
        name=Check.NAME,
        time_limit=TIME_LIMIT_SECONDS,
        soft_time_limit=SOFT_LIMIT_SECONDS,
        shared=False,
    )
    def run(job_id: str | None = None) -> None:
        with at_the_boundary(Check.NAME, SOFT_LIMIT_SECONDS, overruns):
            turn(ports(), job_id)


def turn(ports: CheckPorts, job_id: str | None) -> None:
    """One step of a job, or of the regular turn.

    The regular turn repairs what loses nothing, whoever began it: beat, or the pacer in its place.
    """

    def step(job: Job, tell: Progress) -> Step:
        params = {"repair": True, "regular": True} if job.regular else job.params
        return check(
            ports=ports, params=params, progress=tell, cursor=job.cursor, longest_s=STEP_SECONDS
        )

    take_turn(
        jobs=ports.jobs, clock=ports.clock, kind=JobKind.CHECK, job_id=job_id, period_s=ports.period_s, work=step
    )  # fmt: skip
