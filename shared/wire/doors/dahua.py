"""Dahua ITC and ITSAPI: JSON that a camera posts to `/NotificationInfo/TollgateInfo`.

Plate, vehicle and time stand in `Picture`, in older firmware at the top. Boxes are left out: the
message does not say how large their picture is. Messages without a picture (`KeepAlive`,
`DeviceInfo`) have no detections.
"""

from __future__ import annotations

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
    inner,
    listed,
    objects,
    understood,
)

_WRAPPERS = ("NotificationInfo", "TollgateInfo", "Picture")
_ALIVE = frozenset({"Active", "DeviceID", "DeviceId", "DeviceName", "DeviceModel", "KeepAlive"})


def detections_of(body: Message, door: Door) -> Understood:
    """Returns a detection for each plate of the message."""
    report = body
    for name in _WRAPPERS:
        report = inner(report, name) or report
    if "Plate" not in report:
        if _ALIVE & set(report) and not any(name in body for name in _WRAPPERS[1:]):
            return Understood()
        raise BadInput("Picture.Plate", "missing")
    snap = inner(report, "SnapInfo")
    time = "AccurateTime" if snap.get("AccurateTime") else "SnapTime"
    shared = {
        "camera_id": door.camera(
            ("SnapInfo.DeviceID", values.text(snap.get("DeviceID"))),
            ("SnapInfo.DeviceName", values.text(snap.get("DeviceName"))),
            ("SnapInfo.SnapAddress", values.text(snap.get("SnapAddress"))),
        ),
        "captured_at": values.moment(f"SnapInfo.{time}", snap.get(time), door),
    }
    plates = listed("Picture.Plate", list(objects(report["Plate"])))
    return understood(
        partial(_read, report, each, door, shared, alone=len(plates) == 1) for each in plates
    )


def _read(
    report: Message, plate: Message, door: Door, shared: dict[str, Any], *, alone: bool
) -> Found:
    """alone: it is the only plate of the message, so the picture of a plate is of this one."""
    if plate.get("IsExist") is False:
        raise NoPlate("Plate.PlateNumber")
    text = values.plate("Plate.PlateNumber", plate.get("PlateNumber"))
    confidence = values.percent("Plate.Confidence", plate.get("Confidence"), door)
    snap, vehicle = inner(report, "SnapInfo"), inner(report, "Vehicle")
    told = values.attributes(
        "dahua",
        direction=values.word(snap.get("Direction")),
        speed_kmh=values.speed(vehicle.get("Speed")) or values.speed(snap.get("Speed")),
        country=values.word(plate.get("Country")),
        region=values.word(plate.get("Region")),
        make=values.word(vehicle.get("VehicleSign")),
        model=values.word(vehicle.get("VehicleSeries")),
        color=values.word(vehicle.get("VehicleColor")),
        vehicle_type=values.word(vehicle.get("VehicleType")),
        lane=values.word(snap.get("LanNo")) or values.word(snap.get("LaneNo")),
        list=_list(snap),
        plate_color=values.word(plate.get("PlateColor")),
        plate_type=values.word(plate.get("PlateType")),
        bbox_left_out=_left_out(plate),
    )
    found = values.detection(
        shared,
        detection_id=None,
        bbox=None,
        plate=text,
        confidence=confidence,
        attributes=told,
    )
    seen = values.pictures(
        plate=inner(report, "CutoutPic").get("Content") if alone else None,
        scene=inner(report, "NormalPic").get("Content"),
    )
    return found, seen


def _list(snap: Message) -> str | None:
    if snap.get("AllowUser") is True:
        return "allow"
    return "block" if snap.get("BlockUser") is True else None


def _left_out(plate: Message) -> str | None:
    has = isinstance(plate.get("BoundingBox"), list) and any(plate["BoundingBox"])
    return "the message does not say how large its picture is" if has else None
