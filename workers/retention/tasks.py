"""The sweep as a task."""

from __future__ import annotations

from celery import Celery

from shared.domain.ports import Job, Progress
from shared.wire.tasks import Sweep
from workers.boundary import at_the_boundary
from workers.overrun import Overruns
from workers.retention.sweep import sweep
from workers.upkeep import SOFT_LIMIT_SECONDS, STEP_SECONDS, TIME_LIMIT_SECONDS, Step, take_turn
from workers.wiring import world


def register(app: Celery, overruns: Overruns) -> None:
    """Add the sweep to `app`."""

    @app.task(name=Sweep.NAME, time_limit=TIME_LIMIT_SECONDS, soft_time_limit=SOFT_LIMIT_SECONDS, shared=False)
    def run(job_id: str | None = None) -> None:
        with at_the_boundary(Sweep.NAME, SOFT_LIMIT_SECONDS, overruns):
            ports = world().sweep
            take_turn(ports.jobs, ports.clock, "cleanup", job_id, world().sweep_seconds, _step)


def _step(job: Job, tell: Progress) -> Step:
    return sweep(world().sweep, job.params, tell, job.cursor, STEP_SECONDS)
