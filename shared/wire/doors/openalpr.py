"""Rekor Scout and OpenALPR: `alpr_group`, `alpr_results`, and the results of the open agent.

A group is one vehicle that went by, with its best plate; results are the plates of one picture.
Boxes are around polygons in pixels of the picture that was looked at. A `heartbeat` has none.
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
    Understood,
    inner,
    listed,
    objects,
    understood,
)

_TYPES = ("alpr_group", "alpr_results")


def detections_of(body: Message, door: Door) -> Understood:
    """Returns the detections of one message; none of a heartbeat and of a vehicle without plate."""
    kind = values.text(body.get("data_type"))
    if kind is None and "results" in body:
        kind = "alpr_results"
    if kind is None:
        raise BadInput("data_type", f"missing; known are {', '.join(_TYPES)} and heartbeat")
    if kind == "alpr_group":
        return understood([partial(_group, body, door)])
    if kind == "alpr_results":
        shared = _shared(body, door, "epoch_time")
        results = listed("results", body.get("results"))
        return understood(
            (
                partial(_result, body, each, index, door, shared)
                for index, each in enumerate(results)
            ),
            "results.{}",
        )
    return Understood()


def _shared(body: Message, door: Door, *times: str) -> dict[str, Any]:
    site = values.text(body.get("site_id")) or values.text(body.get("agent_uid"))
    camera = values.text(body.get("camera_id"))
    time = next((name for name in times if body.get(name)), times[0])
    return {
        "camera_id": door.camera(
            ("camera_id", camera),
            ("camera_id", values.text(inner(body, "web_server_config").get("camera_label"))),
            ("camera_id", None if site is None or camera is None else f"{site}-{camera}"),
        ),
        "captured_at": values.moment(time, body.get(time), door),
    }


def _group(body: Message, door: Door) -> Found:
    shared = _shared(body, door, "best_uuid_epoch_ms", "epoch_start")
    best = inner(body, "best_plate")
    field = "best_plate_number" if "best_plate_number" in body else "best_plate.plate"
    plate = values.plate(field, body.get("best_plate_number", best.get("plate")))
    given = body.get("best_confidence", best.get("confidence"))
    found = values.detection(
        shared,
        detection_id=values.same_id(body.get("best_uuid")),
        bbox=values.polygon(best.get("coordinates")),
        plate=plate,
        confidence=values.percent("best_confidence", given, door),
        attributes={
            **_attributes(body, best, body.get("best_region") or best.get("region")),
            **({"parked": body["is_parked"]} if isinstance(body.get("is_parked"), bool) else {}),
        },
    )
    scene = body.get("overview_jpeg") or body.get("vehicle_crop_jpeg")
    return found, values.pictures(plate=best.get("plate_crop_jpeg"), scene=scene)


def _result(
    body: Message, result: object, index: int, door: Door, shared: Mapping[str, Any]
) -> Found:
    if not isinstance(result, Mapping):
        raise BadInput("result", "not a JSON object")
    plate = values.plate("plate", result.get("plate"))
    found = values.detection(
        shared,
        detection_id=values.same_id(body.get("uuid"), index),
        bbox=values.polygon(result.get("coordinates")),
        plate=plate,
        confidence=values.percent("confidence", result.get("confidence"), door),
        attributes=_attributes(body, result, result.get("region")),
    )
    return found, ()


def _attributes(body: Message, plate: Message, region: object) -> dict[str, Any]:
    vehicle = inner(body, "vehicle") or inner(plate, "vehicle")
    make_model = _best(vehicle, "make_model")
    make = _best(vehicle, "make") or (make_model or "").partition("_")[0] or None
    model = (make_model or "").partition("_")[2] or None
    return values.attributes(
        "openalpr",
        heading_degrees=values.number(body.get("travel_direction")),
        country=values.word(body.get("country")),
        region=values.word(region),
        make=make,
        model=model,
        color=_best(vehicle, "color"),
        vehicle_type=_best(vehicle, "body_type"),
        orientation=_best(vehicle, "orientation"),
        year=_best(vehicle, "year"),
    )


def _best(vehicle: Message, name: str) -> str | None:
    """Returns the first, most likely value of a property."""
    first: Message = next(objects(vehicle.get(name)), {})
    return values.word(first.get("name"))
