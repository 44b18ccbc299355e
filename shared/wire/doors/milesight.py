"""Milesight LPR cameras: JSON that a camera posts for each plate.

Boxes are two corners in pixels of the picture whose size stands beside them. The time has no zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.wire.doors import values
from shared.wire.doors.understood import (
    Door,
    Found,
    Message,
    Understood,
    understood,
)

_CORNERS = ("coordinate_x1", "coordinate_y1", "coordinate_x2", "coordinate_y2")
# the camera's own words for its lists
_LISTS = {"white": "allow", "black": "block"}


def detections_of(body: Message, door: Door) -> Understood:
    """Returns the detection of a message."""
    return understood([lambda: _read(body, door)])


def _read(body: Message, door: Door) -> Found:
    shared: Mapping[str, Any] = {
        "camera_id": door.camera(("device", values.text(body.get("device")))),
        "captured_at": values.moment("time", body.get("time"), door),
    }
    plate = values.plate("plate", body.get("plate"))
    confidence = values.fraction("confidence", body.get("confidence"), door)
    kind = values.word(body.get("type"))
    told = values.attributes(
        "milesight",
        direction=values.word(body.get("direction")),
        speed=values.speed(body.get("speed")),
        region=values.word(body.get("region")),
        make=values.word(body.get("vehicle_brand")),
        color=values.word(body.get("vehicle_color")),
        vehicle_type=values.word(body.get("vehicle_type")),
        lane=values.word(body.get("detection_region")),
        list=None if kind is None else _LISTS.get(kind.lower(), kind),
        plate_color=values.word(body.get("plate_color")),
    )
    found = values.detection(
        shared,
        detection_id=None,
        bbox=values.corners([body.get(name) for name in _CORNERS]),
        plate=plate,
        confidence=confidence,
        attributes=told,
    )
    return found, values.pictures(plate=body.get("plate_image"), scene=body.get("full_image"))
