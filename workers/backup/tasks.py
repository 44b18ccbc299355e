"""The backup as a task."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from celery import Celery

from shared.domain.backup import due_since_ms
from shared.domain.job import Job, JobKind
from shared.domain.ports import Progress
from shared.wire.tasks import Backup
from workers.backup.backup import back_up
from workers.backup.ports import BackupPorts
from workers.process.boundary import at_the_boundary
from workers.process.job_turn import Step, do_step
from workers.process.overrun import Overruns

LOOK_SECONDS = 1800.0  # how often beat asks whether tonight's is made
# A snapshot ends with its process, so a backup is one step. That of a very large database takes
# long, and a workspace is deleted after six hours.
TIME_LIMIT_SECONDS, SOFT_LIMIT_SECONDS = 14_400, 14_100


def register(app: Celery, overruns: Overruns, ports: Callable[[], BackupPorts]) -> None:
    """Add the backup to `app`; ports: asked for in the process that runs the task."""

    @app.task(
        name=Backup.NAME,
        time_limit=TIME_LIMIT_SECONDS,
        soft_time_limit=SOFT_LIMIT_SECONDS,
        shared=False,
    )
    def run(job_id: str | None = None) -> None:
        with at_the_boundary(Backup.NAME, SOFT_LIMIT_SECONDS, overruns):
            turn(ports(), job_id)


def turn(ports: BackupPorts, job_id: str | None) -> None:
    """Tonight's backup where there is none yet, or a job."""

    def step(_: Job, tell: Progress) -> Step:
        return Step(back_up(ports, tell))

    asked_at_s = ports.clock.monotonic()
    job = (
        ports.jobs.begin_nightly(JobKind.BACKUP, due_since_ms(ports.clock.now_ms(), ports.hour))
        if job_id is None
        else ports.jobs.begin(UUID(job_id))
    )
    if job is not None:
        do_step(jobs=ports.jobs, clock=ports.clock, job=job, asked_at_s=asked_at_s, work=step)
