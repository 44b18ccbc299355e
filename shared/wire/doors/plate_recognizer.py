"""Webhooks of Plate Recognizer (Stream and Snapshot), as detections.

One message tells of one picture: a camera, a time (UTC), and a result for every plate or vehicle in
it. Two forms are in use: a plate as text with its score beside it, and (where vehicles are
detected) a plate and a vehicle as objects with their properties. What is understood is taken, the
rest is left out, and a result without a usable plate is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.domain.errors import BadInput
from shared.domain.pictures import PictureKind
from shared.wire.doors.understood import MOST_PLATE, MOST_PLATES, Skipped, Understood
from shared.wire.doors.values import number, text

_TIME = TypeAdapter(datetime)


def detections_of(
    body: Mapping[str, Any], camera_id: str | None, scenes: Sequence[bytes] = ()
) -> Understood:
    """Returns a detection for every plate. `camera_id` replaces the message's own. scenes: the
    pictures that came with it.

    BadInput names what all results lack. A message that reports no picture (a heartbeat) has no
    detections.
    """
    data = body["data"] if isinstance(body.get("data"), Mapping) else body
    results = data.get("results")
    if (
        results is None
        and isinstance(body.get("hook"), Mapping)
        and body["hook"].get("event") == "heartbeat"
    ):
        return Understood((), ())
    if not isinstance(results, list):
        raise BadInput("data.results", "missing" if results is None else "not a list")
    if len(results) > MOST_PLATES:
        raise BadInput("data.results", f"{len(results)} are over the limit of {MOST_PLATES}")
    shared = _shared(data, camera_id)
    found: list[tuple[int, dict[str, Any]]] = []
    skipped: list[Skipped] = []
    for index, result in enumerate(results):
        try:
            detection = _detection(data, result)
        except BadInput as error:
            skipped.append(Skipped(index, f"data.results.{index}.{error.message}"))
        else:
            if detection is None:
                skipped.append(
                    Skipped(index, f"data.results.{index}.plate: none was read", wrong=False)
                )
            else:
                found.append((index, {**shared, **detection}))
    pictures = [(PictureKind.SCENE, each) for each in scenes]
    return Understood(tuple(found), tuple(skipped), {index: pictures for index, _ in found})


def _shared(data: Mapping[str, Any], camera_id: str | None) -> dict[str, Any]:
    """Returns what all detections of a message share: the camera, and the time where the message
    has one.
    """
    camera = camera_id or text(data.get("camera_id"))
    if camera is None:
        raise BadInput("data.camera_id", "missing, and no camera_id in the address")
    stamp = data.get("timestamp")
    if stamp is None or stamp == "":
        return {"camera_id": camera}
    try:
        moment = _TIME.validate_python(stamp)
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return {"camera_id": camera, "captured_at": zoned.astimezone(UTC).isoformat()}
    except (ValidationError, OverflowError) as error:
        raise BadInput("data.timestamp", "no such time") from error


def _detection(data: Mapping[str, Any], result: object) -> dict[str, Any] | None:
    """Returns the detection in one result; None where no plate was read."""
    if not isinstance(result, Mapping):
        raise BadInput("result", "not a JSON object")
    plate = result.get("plate")
    read = (
        _read_of(plate)
        if isinstance(plate, Mapping)
        else {"value": plate, "score": result.get("score")}
    )
    read_text = text(read["value"])
    if read_text is None:
        return None
    score = number(read["score"])
    if score is None or not 0 <= score <= 1:
        raise BadInput("score", "not a number from 0 to 1")
    if len(read_text) > MOST_PLATE:
        raise BadInput("plate", f"{len(read_text)} characters are over the limit of {MOST_PLATE}")
    detection = {
        "confidence": score,
        "plate": read_text.upper(),
        "attributes": _attributes(data, result),
    }
    box = _box(result.get("box") or (plate.get("box") if isinstance(plate, Mapping) else None))
    return detection if box is None else {**detection, "bbox": box}


def _read_of(plate: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the best reading of a plate that is an object."""
    first = _first(_props(plate).get("plate"))
    value = first.get("value", first.get("plate"))
    return {"value": value, "score": first.get("score", plate.get("score"))}


def _box(box: object) -> list[float] | None:
    """Returns [x, y, width, height] in pixels; None for a box in another form, such as
    fractions.
    """
    if not isinstance(box, Mapping):
        return None
    corners = [number(box.get(name)) for name in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = corners
    if (
        left is None
        or top is None
        or right is None
        or bottom is None
        or right - left < 1
        or bottom - top < 1
    ):
        return None
    return None if max(right, bottom) <= 1 else [left, top, right - left, bottom - top]


def _attributes(data: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    plate, vehicle = result.get("plate"), result.get("vehicle")
    of_plate, of_vehicle = _props(plate), _props(vehicle)
    model = _first(result.get("model_make") or of_vehicle.get("make_model"))
    region = result.get("region") or of_plate.get("region")
    dscore = result.get("dscore") if not isinstance(plate, Mapping) else plate.get("score")
    told = {
        "detector": "plate-recognizer", "dscore": number(dscore), "direction": number(result.get("direction")),
        "region": _named(region, "code"), "vehicle": _named(vehicle, "type"),
        "filename": text(data.get("filename")), "make": text(model.get("make")), "model": text(model.get("model")),
        "color": _named(result.get("color") or of_vehicle.get("color"), "color"),
        "orientation": _named(result.get("orientation") or of_vehicle.get("orientation"), "orientation"),
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def _props(value: object) -> Mapping[str, Any]:
    props = value.get("props") if isinstance(value, Mapping) else None
    return props if isinstance(props, Mapping) else {}


def _candidates(value: object) -> Iterator[Mapping[str, Any]]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Mapping):
            yield each


def _first(value: object) -> Mapping[str, Any]:
    """Returns the first (best) of a list of objects, or the object itself."""
    return next(_candidates(value), {})


def _named(value: object, name: str) -> str | None:
    """Returns a word that comes as text, as an object, or as a list of objects with scores."""
    first = _first(value)
    return text(value) or text(first.get(name)) or text(first.get("value"))
