"""Stores detections, however they came in. A detection is stored before its sender is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from services.api.doors.messages import letter_of
from services.api.doors.own_pictures import LeftOut, stored_pictures
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.errors import BadInput, Conflict, PlatereelError, Retryable
from shared.domain.json_object import JsonObject
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.timing import from_ms
from shared.runtime.logs import logger
from shared.runtime.metrics import RECEIVED, from_zero
from shared.runtime.tracing import tell
from shared.wire import api as schemas
from shared.wire.detections import parse_detection
from shared.wire.doors.understood import Pictures, Skipped, Understood

# of one message: a picture of the scene is stored for each read in it
MOST_PICTURED = 8
HTTP = "http"
TOO_MANY = f"only the first {MOST_PICTURED} reads of a message have pictures"

_log = logger(__name__)
from_zero(RECEIVED, [HTTP])


def published(ports: ApiPorts, caller: Caller, body: Mapping[str, Any]) -> schemas.DetectionReceipt:
    """Store a detection and tell the dispatcher.

    Sent again without a time, it is still the earlier one.
    """
    began = ports.clock.monotonic()
    receipt, _ = _published(ports, caller, body, ())
    _count(receipt, HTTP, ports.clock.monotonic() - began)
    return receipt


def _count(receipt: schemas.DetectionReceipt, door: str, seconds: float) -> None:
    RECEIVED.labels(door).inc()
    tell(
        "receive detection",
        [receipt.detection_id],
        seconds,
        camera_id=receipt.camera_id,
        door=door,
    )
    _log.info(
        "detection_received",
        detection_id=receipt.detection_id,
        camera_id=receipt.camera_id,
        door=door,
    )


def _published(
    ports: ApiPorts, caller: Caller, body: Mapping[str, Any], pictures: Pictures
) -> tuple[schemas.DetectionReceipt, list[LeftOut]]:
    """Store a detection. One without a time is still the earlier one of its id, if there is one."""
    try:
        return _stored(ports, caller, _with_earlier_time(ports, body), pictures)
    except Conflict:
        if body.get("captured_at") is not None:
            raise
    # It was sent twice at once: the other request has stored it since, with its own time.
    return _stored(ports, caller, _with_earlier_time(ports, body), pictures)


def _with_earlier_time(ports: ApiPorts, body: Mapping[str, Any]) -> Mapping[str, Any]:
    given = body.get("detection_id") if body.get("captured_at") is None else None
    before = None if given is None else ports.detections.get(str(body.get("camera_id")), str(given))
    return body if before is None else {**body, "captured_at": before.captured_at.isoformat()}


def _stored(
    ports: ApiPorts, caller: Caller, body: Mapping[str, Any], pictures: Pictures
) -> tuple[schemas.DetectionReceipt, list[LeftOut]]:
    detection = parse_detection(body, arrival_ms=ports.clock.now_ms(), entry_id=str(uuid4()))
    if detection.camera_id not in ports.settings.cameras or not caller.sees(detection.camera_id):
        raise BadInput("camera_id", f"no camera {detection.camera_id} in the configuration")
    kept, left_out = stored_pictures(ports, detection, pictures) if pictures else (None, [])
    ports.detections.publish(detection, kept)
    try:
        ports.stream.hint(detection.camera_id, detection.detection_id)
    except Retryable as error:
        _log.warning("hint_not_sent", detection_id=detection.detection_id, error=error.message)
    row = ports.detections.get(detection.camera_id, detection.detection_id)
    receipt = schemas.DetectionReceipt(
        detection_id=detection.detection_id,
        camera_id=detection.camera_id,
        captured_at=from_ms(detection.captured_ms),
        outcome=DetectionOutcome.PENDING if row is None else row.outcome,
    )
    return receipt, left_out


def all_published(
    ports: ApiPorts,
    caller: Caller,
    understood: Understood,
    message: bytes | JsonObject,
    *,
    door: str,
) -> schemas.DetectionReceipts:
    """Store each result's detection by itself, with its pictures; of a message with something
    wrong, keep a dead letter. door: whose format the message has.

    Raises BadInput where none can be stored and something is wrong.
    """
    items: list[schemas.DetectionReceipt] = []
    skipped = list(understood.skipped)
    left_out: list[schemas.PictureLeftOut] = []
    for index, detection in understood.detections:
        try:
            pictures = understood.pictures.get(index, ())
            taken = pictures if len(items) < MOST_PICTURED else ()
            began = ports.clock.monotonic()
            receipt, refused = _published(ports, caller, detection, taken)
        except (BadInput, Conflict) as error:
            skipped.append(Skipped(index, error.message))
        else:
            items.append(receipt)
            _count(receipt, door, ports.clock.monotonic() - began)
            refused += [LeftOut(kind, TOO_MANY) for kind, _ in pictures[len(taken) :]]
            left_out += [
                schemas.PictureLeftOut(result=index, kind=each.kind, reason=each.reason)
                for each in refused
            ]
    wrong = sorted((each for each in skipped if each.wrong), key=lambda each: each.index)
    if wrong:
        keep_dead_letter(ports, message, "; ".join(each.reason for each in wrong))
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
        pictures_left_out=left_out,
    )


def keep_dead_letter(ports: ApiPorts, message: bytes | JsonObject, reason: str) -> None:
    """Keep what a door could not understand, where its owner can read it: a camera reads no
    answers.
    """
    try:
        ports.stream.reject("http", letter_of(message), reason)
    except PlatereelError as error:
        _log.warning("dead_letter_not_kept", reason=reason, error=error.message)
