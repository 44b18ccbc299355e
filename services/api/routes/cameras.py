"""Cameras: what capture says of them, and their newest picture."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from services.api.bodies import data_router
from services.api.callers import Ports, Viewer, camera_of, configured
from services.api.media.streams import BOUNDARY, Endless, Permit, pictures
from services.api.parameters import TimeZone, zone_named
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.camera import CameraState, Recorded
from shared.domain.codec import Codec
from shared.domain.errors import NotFound, PartlyAway, Retryable
from shared.domain.ports import Bounds
from shared.domain.retention import DAY_MS
from shared.domain.timing import from_ms, to_ms
from shared.runtime.settings import Settings
from shared.wire import api as schemas
from shared.wire.moments import EARLIEST, Day, Moment
from shared.wire.urls import masked, shown

router = data_router("cameras")
MONTH_DAYS, MOST_GAPS = 31, 1000
EARLIEST_MS = to_ms(EARLIEST)
_COUNTS = ("width", "height", "frames", "dropped", "bad_frames", "reconnects")


@router.get("/cameras")
def list_cameras(ports: Ports, caller: Viewer) -> schemas.CameraList:
    """Returns all cameras of the configuration with their state; `unknown` while the frames Redis
    does not answer.
    """
    items = cameras_of(ports, caller)
    return schemas.CameraList(items=items, total=len(items))


def cameras_of(ports: ApiPorts, caller: Caller) -> list[schemas.Camera]:
    """Returns the cameras that a caller sees, each with its state."""
    settings = ports.settings.model_copy()  # of this moment: cameras come and go
    cameras = [camera_id for camera_id in settings.cameras if caller.sees(camera_id)]
    try:
        bounds = ports.buffers.bounds(cameras)
        return [
            _camera(settings, camera_id, _state(ports, camera_id), bounds) for camera_id in cameras
        ]
    except Retryable as error:
        state = {"state": CameraState.UNKNOWN, "error": error.message}
        return [_camera(settings, camera_id, state, {}) for camera_id in cameras]


@router.get(
    "/cameras/{camera_id}/snapshot.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def snapshot(ports: Ports, caller: Viewer, camera_id: str) -> Response:
    """Returns the camera's newest picture; of a copied camera that nobody watches, its last
    keyframe.
    """
    configured(ports, caller, camera_id)
    frame = ports.pictures.newest(camera_id)
    if frame is None:
        raise NotFound(f"camera {camera_id} has no frames now")
    ports.looks.watched(caller, "snapshot", camera_id)
    headers = {"Cache-Control": "no-store", "X-Captured-At": from_ms(frame.captured_ms).isoformat()}
    return Response(frame.data, media_type="image/jpeg", headers=headers)


@router.get(
    "/cameras/{camera_id}/live.mjpeg",
    response_class=StreamingResponse,
    responses={200: {"content": {f"multipart/x-mixed-replace; boundary={BOUNDARY}": {}}}},
)
def live(
    ports: Ports,
    caller: Viewer,
    request: Request,
    camera_id: str,
    fps: Annotated[float, Query(ge=0.1, le=15)] = 5.0,
) -> StreamingResponse:
    """Streams the camera's pictures for an hour at most. While the camera is away, nothing is
    sent.
    """
    configured(ports, caller, camera_id)
    permit = Permit(caller, request.state.look_again, ports.clock)
    body = pictures(ports.pictures, camera_id, fps, permit)
    answer = Endless(
        body=body,
        media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
        headers={},
        viewers=ports.viewers,
        permit=permit,
    )
    ports.looks.watched(caller, "live", camera_id)
    return answer


@router.get("/cameras/{camera_id}/calendar")
def calendar(
    ports: Ports,
    caller: Viewer,
    camera_id: str,
    from_: Annotated[Day | None, Query(alias="from")] = None,
    to: Day | None = None,
    time_zone: TimeZone = "UTC",
) -> schemas.Calendar:
    """Returns the days on which clips of the camera begin; by default the 31 days until today."""
    camera_of(ports, caller, camera_id)
    zone = zone_named(time_zone)
    last = to or from_ms(ports.clock.now_ms()).astimezone(zone).date()
    first = from_ or _earlier(last, MONTH_DAYS - 1)
    days = ports.segments.calendar(camera_id, first, last, time_zone)
    return schemas.Calendar.model_validate(
        {"camera_id": camera_id, "time_zone": time_zone, "items": days, "total": len(days)}
    )


@router.get("/cameras/{camera_id}/gaps")
def gaps(
    ports: Ports,
    caller: Viewer,
    camera_id: str,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
) -> schemas.MissingFootageList:
    """Returns what the camera's segments lack, and why; by default of the last day."""
    camera_of(ports, caller, camera_id)
    last_ms = ports.clock.now_ms() if to is None else to_ms(to)
    first_ms = max(last_ms - DAY_MS, EARLIEST_MS) if from_ is None else to_ms(from_)
    found = ports.segments.gaps(camera_id, first_ms, last_ms, MOST_GAPS + 1)
    items = found[:MOST_GAPS]
    return schemas.MissingFootageList.model_validate(
        {
            "camera_id": camera_id,
            "items": items,
            "total": len(items),
            "complete": len(found) <= MOST_GAPS,
        }
    )


def _earlier(day: date, days: int) -> date:
    return date.fromordinal(max(1, day.toordinal() - days))


def _state(ports: ApiPorts, camera_id: str) -> Mapping[str, str]:
    """Returns what capture says; `unknown` where the camera's server, of several, does not
    answer.
    """
    try:
        return ports.states.state(camera_id)
    except PartlyAway as error:
        return {"state": CameraState.UNKNOWN, "error": error.message}


def _camera(
    settings: Settings, camera_id: str, state: Mapping[str, str], bounds: Mapping[str, Bounds]
) -> schemas.Camera:
    newest = bounds.get(camera_id)
    recorded = Recorded.of_state(state)
    counts: dict[str, Any] = {name: int(state[name]) for name in _COUNTS if name in state}
    return schemas.Camera(
        camera_id=camera_id,
        source=shown(settings.source(camera_id)),
        detect=settings.cameras[camera_id].detect,
        state=CameraState(state.get("state", CameraState.UNKNOWN)),
        fps=float(state["fps"]) if "fps" in state else None,
        error=masked(state.get("error", "")) or None,
        recorded_as=_recorded_as(settings, camera_id, recorded),
        not_copied=_not_copied(settings, camera_id, recorded),
        last_frame_at=None if newest is None else from_ms(newest.newest_ms),
        **counts,
    )


def _recorded_as(settings: Settings, camera_id: str, recorded: Recorded | None) -> Codec | None:
    """Returns what clips are made with now; None while a camera's connection has not decided."""
    if not settings.may_be_copied(camera_id):
        return settings.policy(camera_id).codec
    if recorded is None:
        return None
    return Codec.COPY if recorded.copied else settings.policy(camera_id).codec


def _not_copied(settings: Settings, camera_id: str, recorded: Recorded | None) -> str | None:
    """Returns why a camera with codec auto is not copied; None for every other."""
    if not settings.is_auto(camera_id):
        return None
    told = "" if recorded is None else recorded.why
    return settings.against_copying(camera_id) or masked(told) or None
