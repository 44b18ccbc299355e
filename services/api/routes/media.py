"""Watching and fetching clips."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from services.api.access import Ports, Viewer, segment_of
from services.api.errors import problem
from services.api.ranges import Content, serve
from shared.domain.errors import NotFound
from shared.domain.lifecycle import ARCHIVED, SegmentStatus

RETRY_SECONDS = "2"

router = APIRouter(prefix="/v2/video", tags=["media"])


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


@router.get("/segments/{segment_id}/download", response_class=Response)
@router.head("/segments/{segment_id}/download", response_class=Response)
def download(ports: Ports, caller: Viewer, segment_id: UUID, request: Request) -> Response:
    """The MP4, with ranges and conditions."""
    row = segment_of(ports, caller, segment_id)
    refusal = _available(row)
    if refusal is not None:
        return refusal
    content = Content(row["file_path"], row["file_size_bytes"], row["sha256"], "video/mp4", f"{_name(row)}.mp4")
    return serve(ports.store, content, request.headers, request.method)


def _name(row: dict[str, Any]) -> str:
    """What a downloaded file is called: camera, UTC start, plates."""
    plates = [d["plate"] for d in row["detections"] if d["plate"] and d["plate"].isalnum() and d["plate"].isascii()]
    return "_".join([row["camera_id"], f"{row['start_time']:%Y-%m-%dT%H-%M-%SZ}", *dict.fromkeys(plates[:3])])


@router.get("/segments/{segment_id}/thumbnail", response_class=Response)
def thumbnail(ports: Ports, caller: Viewer, segment_id: UUID) -> Response:
    """A small picture of the clip."""
    row = segment_of(ports, caller, segment_id)
    refusal = _available(row)
    if refusal is not None:
        return refusal
    if row["thumbnail_path"] is None:
        raise NotFound(f"segment {segment_id} has no picture")
    return Response(ports.store.get(row["thumbnail_path"]), media_type="image/jpeg")
