"""The doors' routes: one for each maker's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.bodies import DATA, FORM, MULTIPART, data_router, read_form
from services.api.callers import DoorOperator, Operator, Ports
from services.api.doors.messages import MOST_REQUEST_BYTES, Received, receive
from services.api.doors.publishing import all_published, keep_dead_letter
from services.api.parameters import TimeZone, zone_named
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.errors import BadInput
from shared.domain.names import CAMERA_ID
from shared.wire import api as schemas
from shared.wire.doors import axis, dahua, frigate, hikvision, milesight, openalpr, plate_recognizer
from shared.wire.doors.understood import Adapter, Door

router = data_router("detections")


class Maker(StrEnum):
    """Whose messages a door understands."""

    HIKVISION = "hikvision"  # ISAPI alarm server
    DAHUA = "dahua"  # ITC, ITSAPI
    AXIS = "axis"  # License Plate Verifier
    MILESIGHT = "milesight"
    OPENALPR = "openalpr"  # and Rekor Scout
    FRIGATE = "frigate"  # its MQTT messages, posted


_ADAPTERS: Mapping[Maker, Adapter] = {
    Maker.HIKVISION: hikvision.detections_of,
    Maker.DAHUA: dahua.detections_of,
    Maker.AXIS: axis.detections_of,
    Maker.MILESIGHT: milesight.detections_of,
    Maker.OPENALPR: openalpr.detections_of,
    Maker.FRIGATE: frigate.detections_of,
}
_XML_ROOTS = {Maker.HIKVISION: hikvision.ROOT}
PLATE_RECOGNIZER = f"{DATA}/plate-recognizer"
# messages of these bring their pictures along
LARGER = {
    PLATE_RECOGNIZER: MOST_REQUEST_BYTES,
    **{f"{DATA}/doors/{maker}": MOST_REQUEST_BYTES for maker in Maker},
}

CameraId = Annotated[str | None, Query(pattern=f"^{CAMERA_ID.pattern}$")]
_OBJECT = {"schema": {"type": "object"}}
_XML = {"schema": {"type": "string"}}
_DOOR_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": _OBJECT, "application/xml": _XML, MULTIPART: _OBJECT},
    }
}


@router.post("/doors/{maker}", openapi_extra=_DOOR_BODY)
async def report(
    ports: Ports,
    caller: DoorOperator,
    request: Request,
    maker: Maker,
    camera_id: CameraId = None,
    time_zone: TimeZone = "UTC",
    confidence: Annotated[float | None, Field(ge=0, le=1)] = None,
) -> schemas.DoorReceipts:
    """The messages of another maker's camera or reader. Every plate becomes a detection; other
    results are listed in `skipped`. 422 where all of them are wrong. `camera_id` names the camera
    where the maker uses another name; `tz` is the zone of times that state none; `confidence` is
    that of reads that state none.
    """
    received = await receive(request)
    door = Door(
        cameras=[each for each in ports.settings.cameras if caller.sees(each)],
        attached=received.attached,
        camera_id=camera_id,
        zone=zone_named(time_zone),
        confidence=confidence,
    )
    done = await run_in_threadpool(_reported, ports, caller, received, maker, door)
    return schemas.DoorReceipts(**done.model_dump())


def _reported(
    ports: ApiPorts, caller: Caller, received: Received, maker: Maker, door: Door
) -> schemas.DetectionReceipts:
    try:
        found = _ADAPTERS[maker](received.body(_XML_ROOTS.get(maker)), door)
    except BadInput as error:
        keep_dead_letter(ports, received.raw, error.message)
        raise
    return all_published(ports, caller, found, received.raw, door=maker)


_FORM = {
    "schema": {"type": "object", "properties": {"json": {"type": "string"}}, "required": ["json"]}
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": _OBJECT, MULTIPART: _FORM, FORM: _FORM},
    }
}


@router.post("/plate-recognizer", status_code=202, openapi_extra=_BODY)
async def report_plate_recognizer(
    ports: Ports, caller: Operator, request: Request, camera_id: CameraId = None
) -> schemas.DetectionReceipts:
    """The webhook of Plate Recognizer, as JSON or as a form with a field `json`, and its picture in
    the field `upload`. Every plate becomes a detection; other results are listed in `skipped`. 422
    where all of them are wrong. `camera_id` names the camera where Plate Recognizer uses another
    name.
    """
    body, scenes = await read_form(request, "json", "upload")
    if not isinstance(body, dict):
        raise BadInput("body", "not a JSON object")
    return await run_in_threadpool(_plates_reported, ports, caller, body, camera_id, scenes)


def _plates_reported(
    ports: ApiPorts,
    caller: Caller,
    body: Mapping[str, Any],
    camera_id: str | None,
    scenes: Sequence[bytes],
) -> schemas.DetectionReceipts:
    try:
        found = plate_recognizer.detections_of(body, camera_id, scenes)
    except BadInput as error:
        keep_dead_letter(ports, body, error.message)
        raise
    return all_published(ports, caller, found, body, door="plate_recognizer")
