"""Cameras that are made, changed and removed while everything runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Path, Response

from services.api.bodies import data_router
from services.api.callers import Admin, Ports, require_all_cameras
from services.api.ports import ApiPorts
from services.api.routes.cameras import cameras_of
from shared.domain.errors import BadInput, Conflict, NotFound
from shared.domain.made_cameras import CameraClips, LeftClips
from shared.domain.names import CAMERA_ID
from shared.runtime.configuration import ConfigurationError, made_camera
from shared.wire import api as schemas
from shared.wire.bounded_json import unstorable

ARCHIVED_AT_ONCE = 500
LONGEST_SECONDS = 10.0
NOT_HERE = "is in platereel.yaml: change it there, and it takes effect within seconds"

router = data_router("cameras")
CameraId = Annotated[str, Path(pattern=f"^{CAMERA_ID.pattern}$")]


@router.put("/cameras/{camera_id}", responses={201: {"model": schemas.Camera}})
def put_camera(
    ports: Ports,
    caller: Admin,
    response: Response,
    camera_id: CameraId,
    body: Annotated[
        dict[str, Any], Body(description="As an entry of `cameras` in platereel.yaml.")
    ],
) -> schemas.Camera:
    """Make a camera (201), or replace the settings of one that was made so. It is captured within
    seconds, and no other camera notices. 409 for a camera of platereel.yaml.
    """
    require_all_cameras(caller)
    ports.cameras.look()
    if ports.cameras.in_file(camera_id):
        raise Conflict(f"camera {camera_id} {NOT_HERE}")
    wrong = unstorable(body)
    if wrong is not None:
        raise BadInput("body", wrong)
    try:
        made_camera(ports.settings, camera_id, body)
    except ConfigurationError as error:
        raise BadInput("body", error.message) from error
    if ports.made.put(camera_id, body, caller.name):
        response.status_code = 201
    ports.cameras.look()
    found = next((each for each in cameras_of(ports, caller) if each.camera_id == camera_id), None)
    if found is None:
        raise NotFound("there is no such camera any more: somebody has removed it")
    return found


@router.delete("/cameras/{camera_id}")
def remove_camera(
    ports: Ports, caller: Admin, camera_id: CameraId, clips: LeftClips
) -> schemas.CameraRemoval:
    """Remove a camera that was made so, or what is left of one that was taken out of
    platereel.yaml. `clips` says what becomes of its clips: `keep` leaves them to retention,
    `delete` deletes those that are not protected. Where `complete` is false, ask again.
    """
    require_all_cameras(caller)
    ports.cameras.look()
    if ports.cameras.in_file(camera_id):
        raise Conflict(f"camera {camera_id} {NOT_HERE}")
    if camera_id not in (*ports.made.all(), *ports.retention.cameras_with_clips()):
        raise NotFound("there is no such camera")
    ports.made.remove(camera_id, caller.name, clips)
    ports.cameras.look()
    rounds = 0 if clips is LeftClips.KEEP else ARCHIVED_AT_ONCE
    found = _archived(ports, camera_id, caller.name, rounds)
    return schemas.CameraRemoval(
        camera_id=camera_id,
        clips=clips,
        archived=found.archived,
        protected=found.protected,
        left=found.left,
        complete=clips is LeftClips.KEEP or found.left == 0,
        kept_days=ports.settings.kept_days(camera_id),
    )


def _archived(ports: ApiPorts, camera_id: str, who: str, at_once: int) -> CameraClips:
    """Archive clips for a while. Those that are still recorded become ready first."""
    until = ports.clock.monotonic() + LONGEST_SECONDS
    archived = 0
    while True:
        found = ports.made.archive_clips(camera_id, who, at_once)
        archived += found.archived
        if found.archived < at_once or at_once == 0 or ports.clock.monotonic() > until:
            return CameraClips(archived=archived, protected=found.protected, left=found.left)
