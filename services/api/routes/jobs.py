"""Cleanups and checks: asking for one, and how it stands."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from services.api.bodies import data_router
from services.api.callers import Admin, Ports, Viewer, require_all_cameras
from shared.domain.job import FINISHED, JobKind
from shared.domain.retention import MAX_DAYS
from shared.wire import api as schemas

WAIT_SECONDS, POLL_SECONDS = 5.0, 0.1
router = data_router("jobs")


@router.post("/cleanup", responses={202: {"model": schemas.JobState}})
def cleanup(
    ports: Ports,
    caller: Admin,
    response: Response,
    body: schemas.CleanupRequest | None = None,
    retention_days: Annotated[float | None, Query(ge=0, le=MAX_DAYS, allow_inf_nan=False)] = None,
    dry_run: bool | None = None,
    confirm: bool | None = None,
) -> schemas.JobState:
    """Archive clips that are older than their retention. dry_run tells what would be archived.

    A run that would archive far more than usual archives nothing and says so in `stopped`, unless
    `confirm` is true. Answers 200 with the result when it is quick, else 202 with a job to poll.
    """
    require_all_cameras(caller)
    given = body or schemas.CleanupRequest()
    params: dict[str, Any] = {
        "dry_run": bool(dry_run if given.dry_run is None else given.dry_run),
        "confirm": bool(confirm if given.confirm is None else given.confirm),
    }
    days = retention_days if given.retention_days is None else given.retention_days
    if days is not None:
        params["retention_days"] = days
    job_id = ports.jobs.request(JobKind.CLEANUP, params, caller.name)
    until = ports.clock.monotonic() + WAIT_SECONDS
    job = ports.jobs.get(job_id)
    while job.state not in FINISHED and ports.clock.monotonic() < until:
        ports.clock.sleep(POLL_SECONDS)
        job = ports.jobs.get(job_id)
    response.status_code = 200 if job.state in FINISHED else 202
    response.headers["Location"] = f"/v2/video/jobs/{job_id}"
    return schemas.JobState.model_validate(job)


@router.get("/jobs/{job_id}")
def show_job(ports: Ports, caller: Viewer, job_id: UUID) -> schemas.JobState:
    """Returns how a job stands."""
    require_all_cameras(caller)
    return schemas.JobState.model_validate(ports.jobs.get(job_id))
