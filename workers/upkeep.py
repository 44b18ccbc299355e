"""Takes a turn or a requested job, and stores what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from shared.domain.errors import PlatereelError
from shared.domain.ports import Jobs
from shared.runtime.logs import logger

_log = logger(__name__)

Work = Callable[[dict[str, Any]], dict[str, Any]]


def take_turn(jobs: Jobs, kind: str, job_id: str | None, period_s: float, work: Work) -> None:
    """Run `work` under a job row; whoever comes second finds the turn taken and does nothing."""
    job = jobs.begin_turn(kind, period_s) if job_id is None else jobs.begin(UUID(job_id))
    if job is None:
        return
    try:
        result = work(job.params)
    except PlatereelError as error:
        jobs.finish(job.job_id, {}, error.message)
        raise
    jobs.finish(job.job_id, result)
    _log.info("upkeep_done", kind=kind, **{k: v for k, v in result.items() if isinstance(v, int | str)})
