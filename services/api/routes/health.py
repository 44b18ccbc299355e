"""Liveness, readiness and metrics."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from services.api.callers import Ports
from shared.domain.errors import PlatereelError
from shared.runtime.metrics_folder import exposition
from shared.wire import api as schemas

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> schemas.Health:
    """Answers while the process can."""
    return schemas.Health(status="ok")


@router.get("/readyz", responses={503: {"model": schemas.Health}})
def readyz(ports: Ports, response: Response) -> schemas.Health:
    """Whether database, both Redis and the store answer; 503 names those that do not."""
    with ThreadPoolExecutor(len(ports.checks)) as pool:
        checks = dict(zip(ports.checks, pool.map(_state, ports.checks.values()), strict=True))
    ready = all(state == "ok" for state in checks.values())
    response.status_code = 200 if ready else 503
    return schemas.Health(status="ok" if ready else "unavailable", checks=checks)


def _state(check: Callable[[], object]) -> str:
    try:
        check()
    except PlatereelError as error:
        return error.message
    return "ok"


@router.get("/metrics", response_class=Response)
def metrics() -> Response:
    """Prometheus metrics: of this process, and of every other process that counts in the same
    folder.
    """
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
