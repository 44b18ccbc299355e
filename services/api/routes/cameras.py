"""Cameras: what capture says of them, and their newest picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from services.api import schemas
from services.api.access import Ports, Viewer
from services.api.ports import ApiPorts
from shared.domain.errors import PartlyAway, Retryable
from shared.domain.ports import Bounds
from shared.domain.timing import from_ms
from shared.runtime.settings import masked

router = APIRouter(prefix="/v2/video", tags=["cameras"])
_COUNTS = ("width", "height", "frames", "dropped", "bad_frames", "reconnects")


@router.get("/cameras")
def list_cameras(ports: Ports, _: Viewer) -> schemas.CameraList:
    """All cameras of the configuration with their health; `unknown` while the frames Redis does not answer."""
    cameras = list(ports.settings.cameras)
    try:
        bounds = ports.frames.bounds(cameras)
        items = [_camera(ports, camera_id, _state(ports, camera_id), bounds) for camera_id in cameras]
    except Retryable as error:
        state = {"state": "unknown", "error": error.message}
        items = [_camera(ports, camera_id, state, {}) for camera_id in cameras]
    return schemas.CameraList(items=items, total=len(items))


@router.get("/cameras/{camera_id}/snapshot.jpg", response_class=Response)
def snapshot(ports: Ports, _: Viewer, camera_id: str) -> Response:
    """The newest frame in the camera's buffer."""
    _known(ports, camera_id)
    frame = ports.frames.newest(camera_id)
    if frame is None:
        raise HTTPException(404, f"camera {camera_id} has no frames now")
    headers = {"Cache-Control": "no-store", "X-Captured-At": from_ms(frame.captured_ms).isoformat()}
    return Response(frame.data, media_type="image/jpeg", headers=headers)


def _state(ports: ApiPorts, camera_id: str) -> Mapping[str, str]:
    """What capture says; `unknown` for a camera whose server, of several, does not answer."""
    try:
        return ports.states.state(camera_id)
    except PartlyAway as error:
        return {"state": "unknown", "error": error.message}


def _known(ports: ApiPorts, camera_id: str) -> None:
    if camera_id not in ports.settings.cameras:
        raise HTTPException(404, "there is no such camera")


def _camera(ports: ApiPorts, camera_id: str, state: Mapping[str, str], bounds: Mapping[str, Bounds]) -> schemas.Camera:
    newest = bounds.get(camera_id)
    counts: dict[str, Any] = {name: int(state[name]) for name in _COUNTS if name in state}
    return schemas.Camera(
        camera_id=camera_id,
        source=masked(ports.settings.source(camera_id)),
        detect=ports.settings.cameras[camera_id].detect,
        state=state.get("state", "unknown"),
        fps=float(state["fps"]) if "fps" in state else None,
        error=state.get("error") or None,
        last_frame_at=None if newest is None else from_ms(newest.newest_ms),
        **counts,
    )
