"""The HTTP doors for detections: durable before they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from services.api.access import Operator, Ports
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.errors import BadInput, Retryable
from shared.domain.timing import from_ms
from shared.runtime.logs import logger
from shared.wire import api as schemas
from shared.wire.detections import JsonDetection, parse_detection
from shared.wire.plate_recognizer import detections_of

PICTURES = "/v2/video/plate-recognizer"  # its messages bring their picture along
MOST_PICTURE_BYTES = 16_000_000
FORM = "multipart/form-data"

router = APIRouter(prefix="/v2/video", tags=["detections"])
_log = logger(__name__)


@router.post("/detections", status_code=202)
def publish(ports: Ports, caller: Operator, message: JsonDetection) -> schemas.DetectionReceipt:
    """Publish a detection. 202 once it is stored; the same one again answers the same and changes nothing."""
    return _published(ports, caller, message.model_dump(mode="json", exclude_none=True))


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}},
            FORM: {"schema": {"type": "object", "properties": {"json": {"type": "string"}}, "required": ["json"]}},
        },
    }
}


@router.post("/plate-recognizer", status_code=202, openapi_extra=_BODY)
async def plate_recognizer(
    ports: Ports,
    caller: Operator,
    request: Request,
    camera_id: Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")] = None,
) -> schemas.DetectionReceipts:
    """The webhook of Plate Recognizer, as JSON or as a form with a field `json`; its picture is not kept.

    Every plate of it is a detection. `camera_id` names the camera where Plate Recognizer calls it otherwise.
    """
    body = await _message(request)
    found = detections_of(body, camera_id)
    items = [await run_in_threadpool(_published, ports, caller, detection) for detection in found]
    return schemas.DetectionReceipts(items=items, total=len(items))


async def _message(request: Request) -> Mapping[str, Any]:
    """The JSON of a request, wherever it is in it."""
    try:
        if request.headers.get("content-type", "").startswith(FORM):
            async with request.form(max_files=4, max_fields=8) as form:
                text = form.get("json")
                given = await text.read() if isinstance(text, UploadFile) else text
        else:
            given = await request.body()
        body = json.loads(given or "null")
    except (ValueError, RecursionError, HTTPException) as error:
        raise BadInput("body", "neither JSON nor a form with JSON in its field `json`") from error
    if not isinstance(body, dict):
        raise BadInput("body", "not a JSON object")
    return body


def _published(ports: ApiPorts, caller: Caller, body: Mapping[str, Any]) -> schemas.DetectionReceipt:
    """Store a detection and tell the dispatcher. Sent again without a time, it is still the one of before."""
    given = body.get("detection_id") if body.get("captured_at") is None else None
    before = None if given is None else ports.detections.get(str(given))
    if before is not None:
        body = {**body, "captured_at": before["captured_at"].isoformat()}
    detection = parse_detection(body, arrival_ms=ports.clock.now_ms(), entry_id=str(uuid4()))
    if detection.camera_id not in ports.settings.cameras or not caller.sees(detection.camera_id):
        raise BadInput("camera_id", f"no camera {detection.camera_id} in the configuration")
    ports.detections.publish(detection)
    try:
        ports.stream.hint(detection.detection_id)
    except Retryable as error:
        _log.warning("hint_not_sent", detection_id=detection.detection_id, error=error.message)
    row = ports.detections.get(detection.detection_id)
    return schemas.DetectionReceipt(
        detection_id=detection.detection_id,
        camera_id=detection.camera_id,
        captured_at=from_ms(detection.captured_ms),
        outcome="pending" if row is None else row["outcome"],
    )
