"""The HTTP door for detections in our own format. A detection is stored before it answers."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from services.api.bodies import data_router, read_body, validated
from services.api.callers import Operator, Ports
from services.api.doors.publishing import published
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.wire import api as schemas
from shared.wire.detections import JsonDetection, refuse_unstorable

router = data_router("detections")

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
    return published(
        ports, caller, validated(JsonDetection, given).model_dump(mode="json", exclude_none=True)
    )
