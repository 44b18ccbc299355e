"""The cleanup as a task."""

from __future__ import annotations

from celery import Celery

from shared.domain.job import Job, JobKind
from shared.domain.ports import Progress
from shared.wire.tasks import Cleanup
from workers.process.boundary import at_the_boundary
from workers.process.job_turn import SOFT_LIMIT_SECONDS, STEP_SECONDS, TIME_LIMIT_SECONDS, Step, take_turn
from workers.process.overrun import Overruns
from workers.retention.cleanup import cleanup
from workers.wiring import world


def register(app: Celery, overruns: Overruns) -> None:
    """Add the cleanup to `app`."""

    @app.task(name=Cleanup.NAME, time_limit=TIME_LIMIT_SECONDS, soft_time_limit=SOFT_LIMIT_SECONDS, shared=False)
    def run(job_id: str | None = None) -> None:
        with at_the_boundary(Cleanup.NAME, SOFT_LIMIT_SECONDS, overruns):
            ports = world().cleanup
            take_turn(
                jobs=ports.jobs,
                clock=ports.clock,
                kind=JobKind.CLEANUP,
                job_id=job_id,
                period_s=world().cleanup_seconds,
                work=_step,
            )


def _step(job: Job, tell: Progress) -> Step:
    return cleanup(ports=world().cleanup, params=job.params, progress=tell, cursor=job.cursor, longest_s=STEP_SECONDS)
