"""Single detections: finding them, also those that made no recording."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request

from services.api.bodies import data_router
from services.api.callers import Ports, Viewer
from services.api.csv_lists import CSV_ANSWER, csv_answer, wants_csv
from services.api.parameters import (
    ATTRIBUTES,
    Confidence,
    Cursor,
    Limit,
    Plate,
    Text,
    attributes_of,
)
from shared.domain.errors import Conflict, NotFound
from shared.domain.found_passes import Listed
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.ports import DetectionFilter, ReadOrder
from shared.wire import api as schemas
from shared.wire.moments import Moment, ms_of

DETECTION_COLUMNS = (
    "detection_id", "camera_id", "captured_at", "plate", "confidence", "outcome", "reason", "pass_id", "bbox",
    "attributes",
)  # fmt: skip
SHOWN = 5

router = data_router("detections")


@router.get(
    "/detections",
    responses=CSV_ANSWER,
    openapi_extra=ATTRIBUTES,
    response_model=schemas.DetectionPage,
)
def list_detections(
    ports: Ports,
    caller: Viewer,
    request: Request,
    limit: Limit = 20,
    cursor: Cursor | None = None,
    camera_id: Text | None = None,
    plate: Plate | None = None,
    fuzzy: bool = False,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
    min_confidence: Confidence | None = None,
    outcome: DetectionOutcome | None = None,
    pass_id: UUID | None = None,
    sort: ReadOrder | None = None,
) -> Any:
    """List detections by capture time, newest first, also those that made no recording; as CSV (all
    that match) with `Accept: text/csv`. `plate` is what was read.
    """
    where = DetectionFilter(
        camera_id=camera_id,
        cameras=caller.scope,
        plate=plate,
        fuzzy=fuzzy,
        from_ms=ms_of(from_),
        to_ms=ms_of(to),
        min_confidence=min_confidence,
        outcome=outcome,
        pass_id=pass_id,
        attributes=attributes_of(request),
    )
    if pass_id is not None or wants_csv(request):
        ports.looks.require_purpose()
    ports.looks.listed(caller, "detections", dict(request.query_params) | {"cursor": None})
    order = sort or ReadOrder.NEWEST

    def read(most: int, after: str | None, *, plain: bool = False) -> Listed[Any]:
        return ports.passes.detections(where, most, after, order, plain=plain)

    if wants_csv(request):
        return csv_answer("detections", DETECTION_COLUMNS, partial(read, plain=True))
    page = read(limit, cursor)
    return schemas.DetectionPage.model_validate(
        {
            "items": page.items,
            "total": page.total,
            "more_than_total": page.more_than_total,
            "next_cursor": page.next_cursor,
        }
    )


@router.get("/detections/{detection_id}")
def show_detection(
    ports: Ports, caller: Viewer, detection_id: str, camera_id: Text | None = None
) -> schemas.FoundDetection:
    """Returns one detection. Ids are per camera: where several cameras have this one, `camera_id`
    says which is meant (else 409).
    """
    rows = [
        row
        for row in ports.passes.detections_with_id(detection_id)
        if caller.sees(row.camera_id) and camera_id in {None, row.camera_id}
    ]
    if not rows:
        raise NotFound("there is no such detection")
    if len(rows) > 1:
        cameras = ", ".join(row.camera_id for row in rows[:SHOWN])
        raise Conflict(
            f"{len(rows)} cameras have a detection of this id, such as {cameras}: add camera_id"
        )
    asked = {"detection_id": detection_id, "camera_id": rows[0].camera_id, "plate": rows[0].plate}
    ports.looks.shown(caller, "detection", asked)
    return schemas.FoundDetection.model_validate(rows[0])
