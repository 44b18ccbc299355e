"""Segments: finding, protecting and deleting them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.api.bodies import data_router
from services.api.callers import Admin, Operator, Ports, Viewer, at_least, check_seen, segment_of
from services.api.parameters import Plate, Text
from services.api.ports import ApiPorts
from shared.domain.access import Caller, Role
from shared.domain.errors import BadInput, Conflict, NotFound, PlatereelError, Retryable
from shared.domain.lifecycle import SegmentStatus
from shared.domain.ports import Order, SegmentFilter
from shared.wire import api as schemas
from shared.wire.moments import Moment, ms_of

SHOWN = 5

router = data_router("segments")


@router.get("/segments")
def list_segments(
    ports: Ports,
    caller: Viewer,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    camera_id: Text | None = None,
    status: SegmentStatus | None = None,
    archived: bool | None = None,
    protected: bool | None = None,
    plate: Plate | None = None,
    fuzzy: bool = False,
    min_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
    sort: Order | None = None,
) -> schemas.SegmentPage:
    """List segments, newest first. `plate` takes * and ?, and ignores case, spaces and dashes.

    With `fuzzy`, nearly equal plates are found too, the closest first. `from` and `to` select
    segments that meet that time.
    """
    if cursor is not None and offset:
        raise BadInput("offset", "a cursor already says where to go on; leave offset out")
    where = SegmentFilter(
        camera_id=camera_id,
        status=status,
        archived=archived,
        protected=protected,
        plate=plate,
        min_confidence=min_confidence,
        from_ms=ms_of(from_),
        to_ms=ms_of(to),
        fuzzy=fuzzy,
        cameras=caller.scope,
    )
    order = sort or (Order.NEAREST if fuzzy else Order.NEWEST)
    page = ports.segments.search(
        where=where, limit=limit, offset=offset, cursor=cursor, order=order
    )
    asked = {"camera_id": camera_id, "plate": plate, "status": status, "from": from_, "to": to}
    ports.looks.listed(caller, "segments", asked)
    # A model is made from a mapping in half the time that it takes from attributes.
    return schemas.SegmentPage.model_validate(
        {
            "items": [vars(item) for item in page.items],
            "total": page.total,
            "next_cursor": page.next_cursor,
        }
    )


@router.get("/segments/{segment_id}")
def show_segment(ports: Ports, caller: Viewer, segment_id: UUID) -> schemas.SegmentDetail:
    """Returns one segment with its detections and their places on its clip."""
    row = ports.segments.get(segment_id)
    check_seen(caller, segment_id, row.camera_id)
    ports.looks.viewed(caller, "segment", segment_id)
    return schemas.SegmentDetail.model_validate(row)


@router.patch("/segments/{segment_id}")
def protect(
    ports: Ports, caller: Operator, segment_id: UUID, patch: schemas.SegmentPatch
) -> schemas.SegmentDetail:
    """Protect a segment from retention and deletion, or lift that."""
    ports.looks.require_purpose()
    segment_of(ports, caller, segment_id)
    row = ports.segments.protect(
        segment_id, protected=patch.protected, who=caller.name, note=patch.note
    )
    return schemas.SegmentDetail.model_validate(row)


@router.delete("/segments/{segment_id}", status_code=204)
def delete(ports: Ports, caller: Admin, segment_id: UUID) -> None:
    """Delete a segment's clip.

    The API answers 410 from now on; the object is deleted after the grace period.
    """
    segment_of(ports, caller, segment_id)
    ports.segments.archive(segment_id, caller.name)


@router.post("/bulk")
def bulk(ports: Ports, caller: Operator, request: schemas.BulkRequest) -> schemas.BulkResult:
    """Protect, unprotect or (as admin) delete many segments. Each succeeds or fails by itself."""
    if request.action == "delete":
        at_least(caller, Role.ADMIN)
    items = [
        _one_of_many(ports, caller, request, segment_id)
        for segment_id in dict.fromkeys(request.ids)
    ]
    succeeded = sum(item.ok for item in items)
    return schemas.BulkResult(items=items, succeeded=succeeded, failed=len(items) - succeeded)


def _one_of_many(
    ports: ApiPorts, caller: Caller, request: schemas.BulkRequest, segment_id: UUID
) -> schemas.BulkOutcome:
    try:
        segment_of(ports, caller, segment_id)
        if request.action == "delete":
            ports.segments.archive(segment_id, caller.name)
        else:
            protected = request.action == "protect"
            ports.segments.protect(
                segment_id, protected=protected, who=caller.name, note=request.note
            )
    except Retryable:
        raise
    except PlatereelError as error:
        return schemas.BulkOutcome(id=segment_id, ok=False, problem=error.message)
    return schemas.BulkOutcome(id=segment_id, ok=True)


@router.get("/by-detection/{detection_id}")
def by_detection(
    ports: Ports, caller: Viewer, detection_id: str, camera_id: Text | None = None
) -> schemas.SegmentsOfDetection:
    """Returns every segment that holds a detection; an empty list, with the reason, where it made
    no recording. Ids are per camera: where several cameras have this one, `camera_id` says which is
    meant (else 409).
    """
    rows = [
        row
        for row in ports.detections.with_id(detection_id)
        if caller.sees(row.camera_id) and camera_id in {None, row.camera_id}
    ]
    if not rows:
        raise NotFound("there is no such detection")
    if len(rows) > 1:
        cameras = ", ".join(row.camera_id for row in rows[:SHOWN])
        raise Conflict(
            f"{len(rows)} cameras have a detection of this id, such as {cameras}: add camera_id"
        )
    (detection,) = rows
    ports.looks.require_purpose()
    items = ports.segments.by_detection(detection.camera_id, detection_id)
    ports.looks.listed(
        caller, "by-detection", {"detection_id": detection_id, "camera_id": detection.camera_id}
    )
    return schemas.SegmentsOfDetection.model_validate(
        {
            "items": items,
            "total": len(items),
            "outcome": detection.outcome,
            "reason": detection.reason,
        }
    )
