"""Liveness, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from services.api.callers import MaybeCaller, Ports
from shared.runtime.dependencies import looked_at
from shared.runtime.metrics_folder import exposition
from shared.wire import api as schemas

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> schemas.Health:
    """Answers while the process can."""
    return schemas.Health(status="ok")


# a key may be given, and need not be
@router.get(
    "/readyz",
    responses={503: {"model": schemas.Readiness}},
    openapi_extra={"security": [{}]},
)
def readyz(ports: Ports, caller: MaybeCaller, response: Response) -> schemas.Readiness:
    """Whether database, both Redis and the store answer; 503 names those that do not. Whoever has a
    key is told each server's version, how soon it answered, and what is set wrong in it, with the
    line that mends it.
    """
    found = looked_at(ports.servers, ports.clock, closely=caller is not None)
    ready = all(each.up for each in found)
    response.status_code = 200 if ready else 503
    return schemas.Readiness(
        status="ok" if ready else "unavailable",
        checks={each.name: "ok" if each.up else each.error for each in found},
        dependencies=None
        if caller is None
        else [schemas.DependencyHealth.model_validate(each) for each in found],
    )


@router.get("/metrics", response_class=Response)
def metrics() -> Response:
    """Prometheus metrics: of this process, and of every other process that counts in the same
    folder.
    """
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
