"""Makes the application from its ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from services.api import errors
from services.api.auth.forwarded import Proxies
from services.api.auth.guard import Guard
from services.api.doors import routes as doors
from services.api.following import following
from services.api.front import front_router, page
from services.api.heartbeat import heartbeat
from services.api.measured import Measured
from services.api.openapi import describe
from services.api.ports import ApiPorts
from services.api.routes import (
    access,
    camera_settings,
    cameras,
    configuration,
    detections,
    events,
    health,
    incidents,
    invitations,
    jobs,
    media,
    passes,
    plate_lists,
    plate_records,
    probes,
    reads,
    segments,
    shares,
    stats,
    streaming,
    timeline,
)
from shared.wire.plate_list_csv import MOST_BYTES

LARGER = {**doors.LARGER, plate_lists.IMPORT: MOST_BYTES}
_STATUSES = (400, 401, 403, 404, 405, 409, 410, 413, 414, 421, 422, 429, 500, 503)
_PROBLEMS = {status: {"description": HTTPStatus(status).phrase} for status in _STATUSES}


def create_app(ports: ApiPorts, close: Callable[[], None], alive: Callable[[], None]) -> FastAPI:
    """Returns the FastAPI application. Its documentation is served without any other host.

    close: called at its end. alive: called every two seconds while the application could serve a
    request.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with heartbeat(alive), following(ports.cameras):
            yield
        close()

    app: FastAPI = FastAPIOffline(
        title="Platereel",
        version="2",
        description="Find, watch and keep the footage around licence-plate detections.",
        redoc_url=None,
        redirect_slashes=False,  # the redirect would repeat whatever Host it was asked by
        lifespan=lifespan,
    )
    app.state.ports = ports
    errors.install(app)
    describe(app)
    proxies = Proxies(ports.settings.api.trusted_proxies)
    app.add_middleware(Guard, proxies=proxies, larger=LARGER, open_door=ports.keys.door_open)
    app.add_middleware(Measured)
    for each in (
        segments, passes, reads, timeline, media, streaming, detections, doors, plate_lists, plate_records, stats, jobs,
        cameras, camera_settings, events, access, invitations, health, configuration, shares, incidents,
    ):  # fmt: skip
        app.include_router(each.router, responses=_PROBLEMS)  # type: ignore[arg-type]
    app.include_router(probes.router)
    app.include_router(front_router(page(ports.settings.storage_public_url)))
    return app
