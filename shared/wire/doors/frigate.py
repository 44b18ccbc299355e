"""Frigate: messages of its MQTT topics `frigate/events` and `frigate/tracked_object_update`.

An event is told again and again while Frigate follows a vehicle; each message with a plate is a
read of its frame. Boxes are left out: they are in pixels of the stream that Frigate looks at, whose
size no message says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from shared.domain.errors import BadInput
from shared.wire.doors import values
from shared.wire.doors.understood import (
    Door,
    Found,
    Message,
    NoPlate,
    Understood,
    understood,
)

EVENTS = frozenset({"new", "update", "end"})
PLATE_READ = "lpr"
_LEFT_OUT = "the message does not say how large its picture is"


def detections_of(body: Message, door: Door) -> Understood:
    """Returns the detection of one message.

    Messages about descriptions, faces and whatever else is followed have none.
    """
    kind = values.text(body.get("type"))
    if kind is None:
        raise BadInput("type", "missing")
    if kind == PLATE_READ:
        return understood([partial(_read, body, door)])
    if kind in EVENTS:
        after = body.get("after")
        if not isinstance(after, Mapping):
            raise BadInput("after", "missing" if after is None else "not a JSON object")
        return understood([partial(_event, after, door)])
    return Understood()


def _read(body: Message, door: Door) -> Found:
    """Returns the detection in `tracked_object_update` of the type `lpr`."""
    shared = _shared(body, door, "timestamp")
    plate = values.plate("plate", body.get("plate"))
    found = _detection(body, shared, plate, values.fraction("score", body.get("score"), door))
    return found, ()


def _event(after: Message, door: Door) -> Found:
    """Returns the detection in an event, whose plate may be a pair of text and score."""
    field = "after.recognized_license_plate"
    given, paired = _pair(after.get("recognized_license_plate"))
    if not given or after.get("false_positive") is True:
        raise NoPlate(field)
    shared = _shared(after, door, "frame_time", "after.")
    plate = values.plate(field, given)
    beside = after.get("recognized_license_plate_score")
    score = paired if beside is None else beside
    confidence = values.fraction(f"{field}_score", score, door)
    return _detection(after, shared, plate, confidence), ()


def _shared(told: Message, door: Door, time: str, place: str = "") -> dict[str, Any]:
    return {
        "camera_id": door.camera((f"{place}camera", values.text(told.get("camera")))),
        "captured_at": values.moment(f"{place}{time}", told.get(time), door),
    }


def _detection(
    told: Message, shared: Mapping[str, Any], plate: str, confidence: float
) -> dict[str, Any]:
    label = told.get("label")
    known_as, _ = _pair(told.get("sub_label", told.get("name")))
    stationary = told.get("stationary")
    has_box = bool(told.get("box") or told.get("plate_box"))
    return values.detection(
        shared,
        detection_id=values.same_id(
            shared["camera_id"], told.get("id"), shared["captured_at"], plate
        ),
        bbox=None,
        plate=plate,
        confidence=confidence,
        attributes=values.attributes(
            "frigate",
            speed=values.speed(told.get("current_estimated_speed")),
            heading_degrees=values.number(told.get("velocity_angle")),
            vehicle_type=values.word(label),
            known_as=values.word(known_as),
            event_id=values.word(told.get("id")),
            stationary=stationary if isinstance(stationary, bool) else None,
            bbox_left_out=_LEFT_OUT if has_box else None,
        ),
    )


def _pair(value: object) -> tuple[object, object]:
    """Returns text and its score, which Frigate sends as a pair or as text alone."""
    if isinstance(value, list):
        return (value[0] if value else None, value[1] if len(value) > 1 else None)
    return value, None
