"""The cleanup as a task."""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery

from shared.domain.job import Job, JobKind
from shared.domain.ports import Progress
from shared.wire.tasks import Cleanup
from workers.process.boundary import at_the_boundary
from workers.process.job_turn import (
    SOFT_LIMIT_SECONDS,
    STEP_SECONDS,
    TIME_LIMIT_SECONDS,
    Step,
    take_turn,
)
from workers.process.overrun import Overruns
from workers.retention.cleanup import cleanup
from workers.retention.ports import CleanupPorts


def register(app: Celery, overruns: Overruns, ports: Callable[[], CleanupPorts]) -> None:
    """Add the cleanup to `app`; ports: asked for in the process that runs the task."""

    @app.task(
        name=Cleanup.NAME,
        time_limit=TIME_LIMIT_SECONDS,
        soft_time_limit=SOFT_LIMIT_SECONDS,
        shared=False,
    )
    def run(job_id: str | None = None) -> None:
        with at_the_boundary(Cleanup.NAME, SOFT_LIMIT_SECONDS, overruns):
            turn(ports(), job_id)


def turn(ports: CleanupPorts, job_id: str | None) -> None:
    """One step of a job, or of the regular turn."""

    def step(job: Job, tell: Progress) -> Step:
        return cleanup(
            ports=ports, params=job.params, progress=tell, cursor=job.cursor, longest_s=STEP_SECONDS
        )

    take_turn(
        jobs=ports.jobs, clock=ports.clock, kind=JobKind.CLEANUP, job_id=job_id, period_s=ports.period_s, work=step
    )  # fmt: skip
