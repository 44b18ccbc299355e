"""AXIS License Plate Verifier: JSON that the application pushes over HTTP, in its present and its
older form.

The present form has a confidence and a time in milliseconds. The older one (the fields of the
ALPV events) has neither: then the address states the confidence, and the time is that of arrival.
Boxes are in pixels of the full picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.wire.doors import values
from shared.wire.doors.understood import (
    Door,
    Found,
    Message,
    Pictures,
    Understood,
    inner,
    objects,
    understood,
)

NANOSECONDS = 1_000_000
_PLATES = ("plateUTF8", "plateUnicode", "plateText", "plateASCII", "text", "plate")
_TIMES = ("capture_timestamp", "timestamp", "datetime")
_ALIVE = frozenset({"heartbeat", "Heartbeat", "heartBeat"})


def detections_of(body: Message, door: Door) -> Understood:
    """Returns the detection of one event; a heartbeat has none."""
    if _ALIVE & {*body, str(body.get("type")), str(body.get("event"))}:
        return Understood()
    camera = inner(body, "camera_info")
    shared = {
        "camera_id": door.camera(
            ("sensorProviderID", values.text(body.get("sensorProviderID"))),
            ("camera_info.SerialNumber", values.text(camera.get("SerialNumber"))),
            ("device", values.text(body.get("device"))),
            ("name", values.text(body.get("name"))),
        ),
        "captured_at": _time(body, door),
    }
    return understood([lambda: _read(body, door, shared)])


def _time(body: Message, door: Door) -> str | None:
    nanoseconds = values.number(body.get("capture_ts"))
    if body.get("capture_timestamp") in (None, "", "0") and nanoseconds:
        return values.moment("capture_ts", nanoseconds / NANOSECONDS, door)
    name = next((each for each in _TIMES if body.get(each) not in (None, "", "0")), "datetime")
    return values.moment(name, body.get(name), door)


def _read(body: Message, door: Door, shared: Mapping[str, Any]) -> Found:
    field = next((name for name in _PLATES if body.get(name)), None)
    field = field or next((name for name in _PLATES if name in body), "plateText")
    plate = values.plate(field, body.get(field))
    confidence = values.fraction("plateConfidence", body.get("plateConfidence"), door)
    found = values.detection(
        shared,
        detection_id=values.same_id(
            shared["camera_id"], body.get("carID"), body.get("packetCounter"), shared["captured_at"]
        ),
        bbox=_box(body),
        plate=plate,
        confidence=confidence,
        attributes=_attributes(body),
    )
    return found, _pictures(body)


def _attributes(body: Message) -> dict[str, Any]:
    vehicle = inner(body, "vehicle_info")
    return values.attributes(
        "axis",
        direction=values.word(body.get("carMoveDirection")),
        country=values.word(body.get("plateCountry")) or values.word(body.get("country")),
        region=values.word(body.get("plateRegion")),
        region_code=values.word(body.get("plateRegionCode")),
        make=values.word(vehicle.get("brand")),
        model=values.word(vehicle.get("model")),
        color=values.word(vehicle.get("color")),
        vehicle_type=values.word(vehicle.get("type")),
        orientation=values.word(vehicle.get("view")),
        lane=values.word(body.get("roiID")),
        list=values.word(body.get("plateList")) or values.word(body.get("listName")),
        car_id=values.word(body.get("carID")),
        state=values.word(body.get("carState")),
    )


def _box(body: Message) -> list[float] | None:
    sides = body.get("plateCoordinates")
    if isinstance(sides, list) and len(sides) == 4:  # noqa: PLR2004 - as many as a box has
        return values.box(*sides)
    return values.box(*(body.get(name) for name in ("left", "top", "width", "height")))


def _pictures(body: Message) -> Pictures:
    shown = {
        str(each.get("ImageType")).lower(): each.get("BinaryImage")
        for each in objects(body.get("ImageArray") or body.get("imageArray"))
    }
    scene = shown.get("frame") or shown.get("roi") or shown.get("vehicle")
    return values.pictures(plate=shown.get("plate"), scene=scene)
