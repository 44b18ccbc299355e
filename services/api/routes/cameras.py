"""Cameras: what capture says of them, and their newest picture."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Response

from services.api import schemas
from services.api.access import Ports, Viewer
from services.api.ports import ApiPorts
from shared.domain.timing import from_ms
from shared.runtime.settings import masked

router = APIRouter(prefix="/v2/video", tags=["cameras"])
_COUNTS = ("width", "height", "frames", "dropped", "bad_frames", "reconnects")


@router.get("/cameras")
def list_cameras(ports: Ports, _: Viewer) -> schemas.CameraList:
    """All cameras of the configuration with their health."""
    items = [_camera(ports, camera_id) for camera_id in ports.settings.cameras]
    return schemas.CameraList(items=items, total=len(items))


@router.get("/cameras/{camera_id}/snapshot.jpg", response_class=Response)
def snapshot(ports: Ports, _: Viewer, camera_id: str) -> Response:
    """The newest frame in the camera's buffer."""
    _known(ports, camera_id)
    frame = ports.frames.newest(camera_id)
    if frame is None:
        raise HTTPException(404, f"camera {camera_id} has no frames now")
    headers = {"Cache-Control": "no-store", "X-Captured-At": from_ms(frame.captured_ms).isoformat()}
    return Response(frame.jpeg, media_type="image/jpeg", headers=headers)


def _known(ports: ApiPorts, camera_id: str) -> None:
    if camera_id not in ports.settings.cameras:
        raise HTTPException(404, "there is no such camera")


def _camera(ports: ApiPorts, camera_id: str) -> schemas.Camera:
    state = ports.states.state(camera_id)
    bounds = ports.frames.bounds([camera_id]).get(camera_id)
    counts: dict[str, Any] = {name: int(state[name]) for name in _COUNTS if name in state}
    return schemas.Camera(
        camera_id=camera_id,
        source=masked(ports.settings.source(camera_id)),
        detect=ports.settings.cameras[camera_id].detect,
        state=state.get("state", "unknown"),
        fps=float(state["fps"]) if "fps" in state else None,
        error=state.get("error") or None,
        last_frame_at=None if bounds is None else from_ms(bounds.newest_ms),
        **counts,
    )
