"""The HTTP door for detections: durable before it answers."""

from __future__ import annotations

from uuid import uuid4

from fastapi import APIRouter

from services.api import schemas
from services.api.access import Operator, Ports
from shared.domain.errors import BadInput, Retryable
from shared.domain.timing import from_ms
from shared.runtime.logs import logger
from shared.wire.detections import DetectionMessage, parse_detection

router = APIRouter(prefix="/v2/video", tags=["detections"])
_log = logger(__name__)


@router.post("/detections", status_code=202)
def publish(ports: Ports, caller: Operator, message: DetectionMessage) -> schemas.DetectionReceipt:
    """Publish a detection. 202 once it is stored; the same one again answers the same and changes nothing."""
    body = message.model_dump(mode="json", exclude_none=True)
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
