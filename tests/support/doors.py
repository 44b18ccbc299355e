"""Messages as cameras and readers of other makers send them, composed for tests.

Each tells of the plate KX07ABC (or of a maker's further plates) at AT on camera `cam1`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

AT = "2026-11-25T17:00:00.250Z"
AT_S = 1_795_626_000.25
PLATE = "KX07ABC"
JPEG_OF_PLATE = b"\xff\xd8\xff\xe0plate" + bytes(range(256))
JPEG_OF_SCENE = b"\xff\xd8\xff\xe1scene" + bytes(range(256))


def base64(data: bytes) -> str:
    """As JSON has pictures."""
    return b64encode(data).decode()


def element(name: str, content: object) -> str:
    """XML of a value: mappings are elements, lists are repeated ones."""
    if isinstance(content, list):
        return "".join(element(name, each) for each in content)
    inside = (
        "".join(element(key, value) for key, value in content.items())
        if isinstance(content, Mapping)
        else str(content)
    )
    return f"<{name}>{inside}</{name}>"


def hikvision(**change: Any) -> dict[str, Any]:
    """An alert; `change` is of its ANPR, but for names that begin with `alert_`."""
    alert = {
        "ipAddress": "192.0.2.7",
        "channelID": "1",
        "dateTime": "2026-11-25T18:00:00.250+01:00",
        "eventType": "ANPR",
        "eventState": "active",
        "channelName": "cam1",
        "ANPR": {
            "country": "GBR",
            "licensePlate": PLATE,
            "line": "2",
            "direction": "forward",
            "confidenceLevel": "93",
            "plateType": "unknown",
            "plateColor": "white",
            "vehicleType": "SUVMPV",
            "vehicleInfo": {"color": "blue", "speed": "31", "index": "77"},
            "pictureInfoList": {
                "pictureInfo": [
                    {"fileName": "licensePlatePicture.jpg", "type": "licensePlatePicture"},
                    {
                        "fileName": "detectionPicture.jpg",
                        "type": "detectionPicture",
                        "plateRect": {"X": "250", "Y": "500", "width": "100", "height": "50"},
                    },
                ]
            },
            "listType": "temporary",
        },
        "UUID": "5b1f6a9e-0000-4000-8000-00000000000a",
        "detectionBackgroundImageResolution": {"height": "1080", "width": "1920"},
    }
    anpr: dict[str, Any] = alert["ANPR"]  # type: ignore[assignment]
    for name, value in change.items():
        holder, key = (
            (alert, name.removeprefix("alert_")) if name.startswith("alert_") else (anpr, name)
        )
        holder[key] = value
        if value is None:
            del holder[key]
    return alert


def hikvision_xml(**change: Any) -> bytes:
    """The same as XML, with the namespace that cameras give."""
    inside = element("EventNotificationAlert", hikvision(**change))
    named = inside.replace(
        "<EventNotificationAlert>",
        '<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">',
    )
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + named.encode()


def dahua(plate: Any = None, snap: Any = None, **change: Any) -> dict[str, Any]:
    """TollgateInfo; `plate` and `snap` change those parts."""
    picture = {
        "Plate": {
            "PlateNumber": PLATE,
            "Confidence": 88,
            "BoundingBox": [100, 200, 300, 260],
            "PlateColor": "Yellow",
            "PlateType": "Unknown",
            "IsExist": True,
            **(plate or {}),
        },
        "Vehicle": {
            "VehicleColor": "Red",
            "VehicleType": "SaloonCar",
            "VehicleSign": "Skoda",
            "VehicleSeries": "Fabia",
            "Speed": 42,
        },
        "SnapInfo": {
            "DeviceID": "cam1",
            "AccurateTime": "2026-11-25 18:00:00.250",
            "SnapTime": "2026-11-25 18:00:00",
            "Direction": "Obverse",
            "LanNo": 3,
            "AllowUser": True,
            **(snap or {}),
        },
        "NormalPic": {"PicName": "a.jpg", "Content": base64(JPEG_OF_SCENE)},
        "CutoutPic": {"PicName": "b.jpg", "Content": base64(JPEG_OF_PLATE)},
        **change,
    }
    return {"Picture": picture}


def axis(**change: Any) -> dict[str, Any]:
    """A push event of the License Plate Verifier."""
    return {
        "packetCounter": "4711",
        "capture_timestamp": str(round(AT_S * 1000)),
        "datetime": "20261125 180000250",
        "plateText": PLATE,
        "plateUTF8": PLATE,
        "plateASCII": PLATE,
        "plateCountry": "GBR",
        "plateRegion": "",
        "plateList": "residents",
        "plateConfidence": "0.912000",
        "carState": "new",
        "roiID": "1",
        "carMoveDirection": "in",
        "plateCoordinates": [640, 500, 120, 30],
        "plateCoordinatesRelative": [10, 20, 120, 30],
        "carID": "902",
        "ImageArray": [
            {"ImageType": "plate", "ImageFormat": "jpeg", "BinaryImage": base64(JPEG_OF_PLATE)}
        ],
        "vehicle_info": {"brand": "Opel", "model": "Corsa", "type": "CAR", "color": "SILVER"},
        "camera_info": {"SerialNumber": "B8A44F000001", "ProdShortName": "AXIS P1465-LE-3"},
        "sensorProviderID": "cam1",
        **change,
    }


def axis_older(**change: Any) -> dict[str, Any]:
    """The fields of an ALPV event, which have neither time nor confidence."""
    return {
        "text": PLATE, "country": "GBR", "left": 640, "top": 500, "width": 120, "height": 30,
        "listName": "Allow", "Action": "Opened", "consumedTime": 31, **change,
    }  # fmt: skip


def milesight(**change: Any) -> dict[str, Any]:
    """A message of a Milesight camera."""
    return {
        "device": "cam1",
        "time": "2026/11/25 18:00:00.250",
        "plate": PLATE,
        "type": "white",
        "speed": "38",
        "direction": "Approach",
        "detection_region": "1",
        "region": "GBR",
        "resolution_width": "1920",
        "resolution_height": "1080",
        "coordinate_x1": "600",
        "coordinate_y1": "500",
        "coordinate_x2": "720",
        "coordinate_y2": "530",
        "confidence": "0.87",
        "plate_color": "White",
        "vehicle_type": "Car",
        "vehicle_color": "Black",
        "plate_image": base64(JPEG_OF_PLATE),
        "full_image": f"data:image/jpeg;base64,{base64(JPEG_OF_SCENE)}",
        **change,
    }


def corners(*points: tuple[int, int]) -> list[dict[str, int]]:
    """A polygon as OpenALPR writes it."""
    return [{"x": x, "y": y} for x, y in points]


def alpr_group(**change: Any) -> dict[str, Any]:
    """A vehicle that went by, as Rekor Scout groups it."""
    return {
        "data_type": "alpr_group",
        "epoch_start": round(AT_S * 1000) - 900,
        "epoch_end": round(AT_S * 1000) + 900,
        "agent_uid": "AGENT1",
        "camera_id": 12,
        "country": "gb",
        "best_plate_number": PLATE,
        "best_confidence": 91.5,
        "best_region": "gb-eng",
        "best_uuid": "AGENT1-12-1795626000250",
        "best_uuid_epoch_ms": round(AT_S * 1000),
        "best_image_width": 1920,
        "best_image_height": 1080,
        "best_plate": {
            "plate": PLATE,
            "confidence": 91.5,
            "coordinates": corners((600, 510), (720, 500), (718, 530), (602, 540)),
            "plate_crop_jpeg": base64(JPEG_OF_PLATE),
        },
        "travel_direction": 182.5,
        "is_parked": False,
        "is_preview": False,
        "vehicle_crop_jpeg": base64(JPEG_OF_SCENE),
        "vehicle": {
            "color": [
                {"name": "green", "confidence": 80.0},
                {"name": "black", "confidence": 9.0},
            ],
            "make": [{"name": "ford", "confidence": 90.0}],
            "make_model": [{"name": "ford_focus", "confidence": 70.0}],
            "body_type": [{"name": "sedan-compact", "confidence": 60.0}],
            "year": [{"name": "2015-2019", "confidence": 40.0}],
        },
        "web_server_config": {"camera_label": "cam1", "agent_label": "gate"},
        **change,
    }


def alpr_results(*results: Any, **change: Any) -> dict[str, Any]:
    """The plates of one picture."""
    plain = {
        "plate": PLATE,
        "confidence": 84.25,
        "region": "",
        "coordinates": corners((10, 20), (60, 20), (60, 40), (10, 40)),
    }
    return {
        "data_type": "alpr_results",
        "uuid": "5d1e12f0-0000-4000-8000-0000000000aa",
        "camera_id": "cam1",
        "epoch_time": round(AT_S * 1000),
        "img_width": 1280,
        "img_height": 720,
        "results": list(results) or [plain],
        **change,
    }


def frigate_event(kind: str = "update", **change: Any) -> dict[str, Any]:
    """A message of `frigate/events`; `change` is of its present state."""
    state = {
        "id": "1795625998.5-k3x9ab",
        "camera": "cam1",
        "frame_time": AT_S,
        "label": "car",
        "sub_label": ["the neighbour", 0.9],
        "box": [300, 200, 640, 480],
        "false_positive": False,
        "stationary": False,
        "current_estimated_speed": 12.5,
        "velocity_angle": 90.0,
        "recognized_license_plate": PLATE,
        "recognized_license_plate_score": 0.94,
        **change,
    }
    return {"type": kind, "before": {**state, "recognized_license_plate": None}, "after": state}


def frigate_read(**change: Any) -> dict[str, Any]:
    """A message of `frigate/tracked_object_update` about a plate."""
    return {
        "type": "lpr",
        "id": "1795625998.5-k3x9ab",
        "name": "the neighbour",
        "plate": PLATE,
        "score": 0.94,
        "camera": "cam1",
        "timestamp": AT_S,
        **change,
    }


def encoded(message: Any) -> bytes:
    """JSON of a message."""
    return json.dumps(message).encode()
