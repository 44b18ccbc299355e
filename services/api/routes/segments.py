"""Finding, watching, keeping and deleting clips."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request, Response

from services.api import schemas
from services.api.access import Admin, Operator, Ports, Viewer
from services.api.errors import problem
from services.api.ranges import Content, serve
from shared.domain.errors import BadInput, NotFound
from shared.domain.lifecycle import ARCHIVED, SegmentStatus
from shared.domain.ports import SegmentFilter
from shared.domain.timing import to_ms

RETRY_SECONDS = "2"
Text = Annotated[str, Query(max_length=128, pattern=r"^[^\x00]*$")]

router = APIRouter(prefix="/v2/video", tags=["segments"])


def _moment(value: datetime | None, field: str) -> int | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise BadInput(field, "a time without a zone is ambiguous; end it with Z or an offset")
    return to_ms(value)


@router.get("/segments")
def list_segments(
    ports: Ports,
    _: Viewer,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    camera_id: Text | None = None,
    status: SegmentStatus | None = None,
    archived: bool | None = None,
    protected: bool | None = None,
    plate: Text | None = None,
    min_confidence: Annotated[float | None, Query(ge=0, le=1)] = None,
    from_: Annotated[datetime | None, Query(alias="from")] = None,
    to: datetime | None = None,
    sort: Literal["-start_time", "start_time"] = "-start_time",
) -> schemas.SegmentPage:
    """List clips, newest first. `plate` takes * and ?; from and to select clips that meet that time."""
    if cursor is not None and offset:
        raise BadInput("offset", "a cursor already says where to go on; leave offset out")
    where = SegmentFilter(
        camera_id, None if status is None else str(status), archived, protected, plate, min_confidence,
        _moment(from_, "from"), _moment(to, "to"),
    )  # fmt: skip
    page = ports.videos.search(where, limit, offset, cursor, newest_first=sort == "-start_time")
    return schemas.SegmentPage.model_validate(
        {"items": page.items, "total": page.total, "next_cursor": page.next_cursor}
    )


@router.get("/segments/{segment_id}")
def show_segment(ports: Ports, _: Viewer, segment_id: UUID) -> schemas.SegmentDetail:
    """One clip with its detections and their places on it."""
    return schemas.SegmentDetail.model_validate(ports.videos.get(segment_id))


def _available(row: dict[str, Any]) -> Response | None:
    """The answer for a clip that cannot be served, None when it can."""
    status = SegmentStatus(row["status"])
    if status in ARCHIVED:
        return problem(410, f"segment {row['id']} was deleted")
    if status is SegmentStatus.FAILED:
        return problem(409, f"segment {row['id']} has no clip: {row['error']}")
    if status is not SegmentStatus.READY:
        return problem(409, f"segment {row['id']} is still {status}", {"Retry-After": RETRY_SECONDS})
    return None


@router.api_route("/segments/{segment_id}/download", methods=["GET", "HEAD"], response_class=Response)
def download(ports: Ports, _: Viewer, segment_id: UUID, request: Request) -> Response:
    """The MP4, with ranges and conditions."""
    row = ports.videos.get(segment_id)
    refusal = _available(row)
    if refusal is not None:
        return refusal
    start = row["start_time"]
    plates = [d["plate"] for d in row["detections"] if d["plate"] and d["plate"].isalnum() and d["plate"].isascii()]
    name = "_".join([row["camera_id"], f"{start:%Y-%m-%dT%H-%M-%SZ}", *dict.fromkeys(plates[:3])])
    content = Content(row["file_path"], row["file_size_bytes"], row["sha256"], "video/mp4", f"{name}.mp4")
    return serve(ports.store, content, request.headers, request.method)


@router.get("/segments/{segment_id}/thumbnail", response_class=Response)
def thumbnail(ports: Ports, _: Viewer, segment_id: UUID) -> Response:
    """A small picture of the clip."""
    row = ports.videos.get(segment_id)
    refusal = _available(row)
    if refusal is not None:
        return refusal
    if row["thumbnail_path"] is None:
        raise NotFound(f"segment {segment_id} has no picture")
    return Response(ports.store.get(row["thumbnail_path"]), media_type="image/jpeg")


@router.patch("/segments/{segment_id}")
def protect(ports: Ports, caller: Operator, segment_id: UUID, patch: schemas.SegmentPatch) -> schemas.SegmentDetail:
    """Protect a clip from retention and deletion, or lift that."""
    row = ports.videos.protect(segment_id, protected=patch.protected, who=caller.name, note=patch.note)
    return schemas.SegmentDetail.model_validate(row)


@router.delete("/segments/{segment_id}", status_code=204)
def delete(ports: Ports, caller: Admin, segment_id: UUID) -> None:
    """Delete a clip; it answers 410 from now on, its object goes after the grace period."""
    ports.videos.archive(segment_id, caller.name)


@router.get("/by-detection/{detection_id}")
def by_detection(ports: Ports, _: Viewer, detection_id: str) -> schemas.SegmentsOfDetection:
    """Every clip that holds a detection; an empty list, with the reason, for one that made no recording."""
    detection = ports.detections.get(detection_id)
    if detection is None:
        raise HTTPException(404, "there is no such detection")
    items = ports.videos.by_detection(detection_id)
    return schemas.SegmentsOfDetection.model_validate(
        {"items": items, "total": len(items), "outcome": detection["outcome"], "reason": detection["reason"]}
    )


@router.get("/stats")
def stats(ports: Ports, _: Viewer) -> schemas.Stats:
    """Totals, per camera and per day."""
    return schemas.Stats.model_validate(ports.videos.stats())
