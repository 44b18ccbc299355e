"""The application, made from its ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi_offline import FastAPIOffline
from starlette.middleware.base import RequestResponseEndpoint

from services.api import errors, schemas
from services.api.ports import ApiPorts
from services.api.routes import cameras, detections, health, segments, upkeep

MAX_BODY_BYTES = 64 * 1024
_PROBLEMS = {status: {"model": schemas.Problem} for status in (401, 403, 404, 409, 410, 413, 422, 503)}


def create_app(ports: ApiPorts, close: Callable[[], None]) -> FastAPI:
    """A FastAPI application; its documentation is served without any other host. `close` is called at its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        close()

    app: FastAPI = FastAPIOffline(
        title="Platereel",
        version="2",
        description="Find, watch and keep the footage around licence-plate detections.",
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.ports = ports
    errors.install(app)
    app.middleware("http")(_guard)
    for router in (segments.router, detections.router, upkeep.router, cameras.router):
        app.include_router(router, responses=_PROBLEMS)  # type: ignore[arg-type]
    app.include_router(health.router)
    app.add_api_route("/", _front, include_in_schema=False)
    return app


def _front() -> RedirectResponse:
    return RedirectResponse("/docs")


async def _guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Refuse bodies that are too large before they are read; forbid sniffing and framing of what is answered."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES or "transfer-encoding" in request.headers:
        return errors.problem(413, f"a body is at most {MAX_BODY_BYTES} bytes, and its length is declared")
    response = await call_next(request)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response
