"""Takes a turn or a requested job, and stores what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from shared.domain.errors import PlatereelError
from shared.domain.ports import Clock, Jobs, Progress
from shared.runtime.logs import logger

_log = logger(__name__)

Work = Callable[[dict[str, Any], Progress], dict[str, Any]]
TOLD_EVERY_SECONDS = 1.0
TIME_LIMIT_SECONDS, SOFT_LIMIT_SECONDS = 240, 210


def take_turn(jobs: Jobs, clock: Clock, kind: str, job_id: str | None, period_s: float, work: Work) -> None:
    """Run `work` under a job row; whoever comes second finds the turn taken and does nothing."""
    job = jobs.begin_turn(kind, period_s) if job_id is None else jobs.begin(UUID(job_id))
    if job is None:
        return
    try:
        result = work({**job.params, "regular": job_id is None}, _teller(jobs, clock, job.job_id))
    except PlatereelError as error:
        jobs.finish(job.job_id, {}, error.message)
        raise
    jobs.finish(job.job_id, result)
    _log.info("upkeep_done", kind=kind, **{k: v for k, v in result.items() if isinstance(v, int | str)})


def _teller(jobs: Jobs, clock: Clock, job_id: UUID) -> Progress:
    """Stores how far a job is, once a second at most."""
    told = clock.monotonic()

    def tell(phase: str, done: int, total: int) -> None:
        nonlocal told
        if clock.monotonic() - told >= TOLD_EVERY_SECONDS:
            told = clock.monotonic()
            jobs.tell(job_id, {"phase": phase, "done": done, "total": total or None})

    return tell
