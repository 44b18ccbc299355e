"""Webhooks of Plate Recognizer (Stream and Snapshot), as detections.

One message tells of one picture: a camera, a time (UTC), and a result for every plate in it, with corners of its box in
pixels and a score. Its id is made of these, so that a message that is sent again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.domain.errors import BadInput

MOST_PLATES = 100


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Box(_Lenient):
    xmin: float
    ymin: float
    xmax: float
    ymax: float


class _Scored(_Lenient):
    code: str | None = None
    type: str | None = None
    color: str | None = None
    make: str | None = None
    model: str | None = None
    orientation: str | None = None


class _Result(_Lenient):
    plate: str = Field(max_length=32)
    score: float = Field(ge=0, le=1)
    dscore: float | None = None
    box: _Box | None = None
    region: _Scored | None = None
    vehicle: _Scored | None = None
    model_make: list[_Scored] = Field(default_factory=list)
    color: list[_Scored] = Field(default_factory=list)
    orientation: list[_Scored] = Field(default_factory=list)
    direction: float | None = None


class _Data(_Lenient):
    camera_id: str | None = None
    filename: str | None = None
    timestamp: datetime | None = None
    results: list[_Result] = Field(max_length=MOST_PLATES)


class PlateRecognizerMessage(_Lenient):
    """What Plate Recognizer posts: `data` tells of one picture, `hook` of the webhook."""

    data: _Data


def detections_of(body: Mapping[str, Any], camera_id: str | None) -> list[dict[str, Any]]:
    """A detection for every plate; `camera_id` stands for the message's own. BadInput names the field."""
    try:
        data = PlateRecognizerMessage.model_validate(body).data
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise BadInput(".".join(str(part) for part in first["loc"]) or "body", first["msg"]) from error
    camera = camera_id or data.camera_id
    if camera is None:
        raise BadInput("data.camera_id", "missing, and no camera_id in the address")
    return [_detection(data, result, camera) for result in data.results]


def _detection(data: _Data, result: _Result, camera_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "camera_id": camera_id, "confidence": result.score, "plate": result.plate.upper(),
        "attributes": _attributes(data, result),
    }  # fmt: skip
    if data.timestamp is not None:
        zoned = data.timestamp if data.timestamp.tzinfo is not None else data.timestamp.replace(tzinfo=UTC)
        found["captured_at"] = zoned.isoformat()
    if result.box is not None:
        box = result.box
        found["bbox"] = [box.xmin, box.ymin, box.xmax - box.xmin, box.ymax - box.ymin]
    return found


def _attributes(data: _Data, result: _Result) -> dict[str, Any]:
    first = {
        "make": result.model_make[0].make if result.model_make else None,
        "model": result.model_make[0].model if result.model_make else None,
        "color": result.color[0].color if result.color else None,
        "orientation": result.orientation[0].orientation if result.orientation else None,
    }
    told = {
        "detector": "plate-recognizer", "dscore": result.dscore, "direction": result.direction,
        "region": result.region.code if result.region else None,
        "vehicle": result.vehicle.type if result.vehicle else None, "filename": data.filename, **first,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value not in {None, ""}}
