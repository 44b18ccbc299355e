"""Hikvision ISAPI: `EventNotificationAlert` of the event type ANPR, as XML or as JSON.

Its pictures are files beside the message. `plateRect` is in thousandths of the detection picture,
so a box needs that picture's size, which newer cameras send.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from shared.domain.errors import BadInput
from shared.domain.pictures import PictureKind
from shared.wire.doors import values
from shared.wire.doors.understood import (
    Attached,
    Door,
    Found,
    Message,
    Pictures,
    Understood,
    inner,
    listed,
    objects,
    understood,
)

ROOT = "EventNotificationAlert"
THOUSANDTHS = 1000.0
_SIZES = ("detectionBackgroundImageResolution", "backgroundImageResolution")
_SCENES = ("detectionPicture", "vehiclePicture")
_PLATES = ("licensePlatePicture", "plateImage")


def detections_of(body: Message, door: Door) -> Understood:
    """Returns the detection of an alert, and of each further plate in it.

    Other events than ANPR, with which a camera shows that it is alive, have no detections.
    """
    alert = body[ROOT] if isinstance(body.get(ROOT), Mapping) else body
    kind = values.text(alert.get("eventType"))
    reads = list(objects(alert.get("ANPR")))
    if not reads:
        if kind is None or kind.upper() == "ANPR":
            raise BadInput("ANPR", "missing")
        return Understood()
    vendor_id = values.text(alert.get("UUID"))
    shared = {
        "camera_id": door.camera(
            ("channelName", values.text(alert.get("channelName"))),
            ("deviceID", values.text(alert.get("deviceID"))),
            ("channelID", values.text(alert.get("channelID"))),
        ),
        "captured_at": values.moment("dateTime", alert.get("dateTime"), door),
    }
    plates = listed("ANPR", [*reads, *_further(alert, reads)])
    return understood(
        partial(_read, alert, each, door, shared, vendor_id, index)
        for index, each in enumerate(plates)
    )


def _id(vendor_id: str | None, index: int) -> str | None:
    return values.same_id(vendor_id) if index == 0 else values.same_id(vendor_id, index)


def _further(alert: Message, reads: list[Message]) -> Iterator[dict[str, Any]]:
    """Yields plates of the list of all plates that the read itself does not have."""
    known = {values.text(each.get("licensePlate")) for each in reads}
    for holder in (alert, *reads):
        for each in objects(inner(holder, "PlateInfoList").get("PlateInfo")):
            if values.text(each.get("licensePlate")) not in known:
                yield {**each}


def _read(
    alert: Message,
    read: Message,
    door: Door,
    shared: Mapping[str, Any],
    vendor_id: str | None,
    index: int,
) -> Found:
    plate = values.plate("ANPR.licensePlate", read.get("licensePlate"))
    confidence = values.percent("ANPR.confidenceLevel", read.get("confidenceLevel"), door)
    seen = list(objects(inner(read, "pictureInfoList").get("pictureInfo")))
    seen += list(objects(read.get("pictureInfoList")))
    told = _attributes(read)
    bbox = _box(alert, read, seen)
    if bbox is None and any("plateRect" in each for each in seen):
        told["bbox_left_out"] = "the message does not say how large its picture is"
    found = values.detection(
        shared,
        detection_id=_id(vendor_id, index),
        bbox=bbox,
        plate=plate,
        confidence=confidence,
        attributes=told,
    )
    return found, _pictures(seen, door.attached, _PLATES if index == 0 else ())


def _attributes(read: Message) -> dict[str, Any]:
    vehicle = inner(read, "vehicleInfo")
    return values.attributes(
        "hikvision",
        direction=values.word(read.get("direction")),
        speed_kmh=values.speed(vehicle.get("speed")),
        country=values.word(read.get("country")),
        region=values.word(read.get("region")) or values.word(read.get("area")),
        color=values.word(vehicle.get("color")),
        make=values.word(vehicle.get("vehicleLogoRecogName")),
        vehicle_type=values.word(read.get("vehicleType")),
        lane=values.word(read.get("line")) or values.word(read.get("laneNo")),
        list=values.word(read.get("vehicleListName")) or values.word(read.get("listType")),
        plate_color=values.word(read.get("plateColor")),
        plate_type=values.word(read.get("plateType")),
        plate_as_written=values.word(read.get("originalLicensePlate")),
    )


def _box(alert: Message, read: Message, seen: list[Message]) -> list[float] | None:
    rect = next((inner(each, "plateRect") for each in seen if "plateRect" in each), None)
    if rect is None:
        return None
    left, top = rect.get("X", rect.get("x")), rect.get("Y", rect.get("y"))
    relative = values.box(left, top, rect.get("width"), rect.get("height"))
    sizes = [inner(holder, name) for holder in (alert, read) for name in _SIZES]
    size = next((each for each in sizes if each), {})
    return values.scaled(relative, THOUSANDTHS, size.get("width"), size.get("height"))


def _pictures(
    seen: list[Message], attached: tuple[Attached, ...], plates: tuple[str, ...]
) -> Pictures:
    """Returns the files that the message names, by what it says that they show. plates: the names
    of pictures of this read's plate; of a further plate there are none.
    """
    kinds = {values.text(each.get("fileName")): values.text(each.get("type")) for each in seen}
    shown: dict[str, list[bytes]] = {}
    for each in attached:
        kind = kinds.get(each.name) or each.name.rpartition(".")[0] or each.name
        shown.setdefault(kind, []).append(each.data)
    wanted = ((PictureKind.PLATE, plates), (PictureKind.SCENE, _SCENES))
    return [
        (kind, data)
        for kind, names in wanted
        for data in next((shown[name] for name in names if name in shown), ())
    ]
