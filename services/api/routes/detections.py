"""The HTTP doors for detections. A detection is stored before they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from services.api.bodies import FORM, MULTIPART, data_router, read_body, validated
from services.api.callers import Operator, Ports
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.errors import BadInput, Conflict, Retryable
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.names import CAMERA_ID
from shared.domain.timing import from_ms
from shared.runtime.logs import logger
from shared.wire import api as schemas
from shared.wire.detections import JsonDetection, parse_detection, refuse_unstorable
from shared.wire.doors.plate_recognizer import detections_of
from shared.wire.doors.understood import Skipped, Understood

PICTURES = "/v2/video/plate-recognizer"  # its messages bring their picture along
MOST_PICTURE_BYTES = 16_000_000

router = data_router("detections")
_log = logger(__name__)


_DETECTION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": JsonDetection.model_json_schema()}},
    }
}


@router.post("/detections", status_code=202, openapi_extra=_DETECTION)
async def publish(ports: Ports, caller: Operator, request: Request) -> schemas.DetectionReceipt:
    """Publish a detection.

    202 once it is stored; the same detection again gets the same answer and changes nothing.
    """
    given = await read_body(request)
    return await run_in_threadpool(_publish, ports, caller, given)


def _publish(ports: ApiPorts, caller: Caller, given: Any) -> schemas.DetectionReceipt:
    if isinstance(given, dict):
        refuse_unstorable(given)
    return _published(
        ports, caller, validated(JsonDetection, given).model_dump(mode="json", exclude_none=True)
    )


_FORM = {
    "schema": {"type": "object", "properties": {"json": {"type": "string"}}, "required": ["json"]}
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}},
            MULTIPART: _FORM,
            FORM: _FORM,
        },
    }
}


@router.post("/plate-recognizer", status_code=202, openapi_extra=_BODY)
async def plate_recognizer(
    ports: Ports,
    caller: Operator,
    request: Request,
    camera_id: Annotated[str | None, Query(pattern=f"^{CAMERA_ID.pattern}$")] = None,
) -> schemas.DetectionReceipts:
    """The webhook of Plate Recognizer, as JSON or as a form with a field `json`; its picture is not
    kept. Every plate becomes a detection; other results are listed in `skipped`. 422 where all of
    them are wrong. `camera_id` names the camera where Plate Recognizer uses another name.
    """
    body = await read_body(request, "json")
    if not isinstance(body, dict):
        raise BadInput("body", "not a JSON object")
    return await run_in_threadpool(_all_published, ports, caller, detections_of(body, camera_id))


def _all_published(
    ports: ApiPorts, caller: Caller, understood: Understood
) -> schemas.DetectionReceipts:
    """Store each result's detection by itself.

    Raises BadInput where none can be stored and something is wrong.
    """
    items: list[schemas.DetectionReceipt] = []
    skipped = list(understood.skipped)
    for index, detection in understood.detections:
        try:
            items.append(_published(ports, caller, detection))
        except (BadInput, Conflict) as error:
            skipped.append(Skipped(index, error.message))
    wrong = sorted((each for each in skipped if each.wrong), key=lambda each: each.index)
    if wrong and len(wrong) == len(skipped) and not items:
        field, _, reason = wrong[0].reason.partition(": ")
        raise BadInput(field, reason)
    return schemas.DetectionReceipts(
        items=items,
        total=len(items),
        skipped=[
            schemas.SkippedResult(result=each.index, reason=each.reason)
            for each in sorted(skipped, key=lambda each: each.index)
        ],
    )


def _published(
    ports: ApiPorts, caller: Caller, body: Mapping[str, Any]
) -> schemas.DetectionReceipt:
    """Store a detection and tell the dispatcher.

    Sent again without a time, it is still the earlier one.
    """
    given = body.get("detection_id") if body.get("captured_at") is None else None
    before = None if given is None else ports.detections.get(str(body.get("camera_id")), str(given))
    if before is not None:
        body = {**body, "captured_at": before.captured_at.isoformat()}
    detection = parse_detection(body, arrival_ms=ports.clock.now_ms(), entry_id=str(uuid4()))
    if detection.camera_id not in ports.settings.cameras or not caller.sees(detection.camera_id):
        raise BadInput("camera_id", f"no camera {detection.camera_id} in the configuration")
    ports.detections.publish(detection)
    try:
        ports.stream.hint(detection.camera_id, detection.detection_id)
    except Retryable as error:
        _log.warning("hint_not_sent", detection_id=detection.detection_id, error=error.message)
    row = ports.detections.get(detection.camera_id, detection.detection_id)
    return schemas.DetectionReceipt(
        detection_id=detection.detection_id,
        camera_id=detection.camera_id,
        captured_at=from_ms(detection.captured_ms),
        outcome=DetectionOutcome.PENDING if row is None else row.outcome,
    )
