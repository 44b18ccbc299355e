"""Watching and fetching clips."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from services.api.access import Ports, Viewer, segment_of
from services.api.errors import problem
from services.api.evidence import ARCHIVES, Evidence, archive, check_unchanged
from services.api.ranges import Content, begins, matches, serve
from shared.domain.errors import NotFound
from shared.domain.lifecycle import ARCHIVED, SegmentStatus
from shared.domain.timing import from_ms
from shared.wire import api as schemas
from shared.wire.evidence import fingerprint

RETRY_SECONDS = "2"
LINK_SECONDS = 600.0
VIDEO = "video/mp4"


class Format(StrEnum):
    """Kinds of archives."""

    ZIP = "zip"
    TAR = "tar"


_DOWNLOADED: dict[int | str, dict[str, Any]] = {
    200: {"content": {VIDEO: {}}}, 206: {"content": {VIDEO: {}}, "description": "A range."},
    304: {"description": "It is what the client has."}, 307: {"description": "To the store."},
    416: {"description": "The range lies outside the file."},
}  # fmt: skip
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}}, 304: {"description": "It is what the client has."}
}  # fmt: skip

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


@router.get("/segments/{segment_id}/download", response_class=Response, responses=_DOWNLOADED)
@router.head("/segments/{segment_id}/download", response_class=Response, responses=_DOWNLOADED)
def download(
    ports: Ports,
    caller: Viewer,
    segment_id: UUID,
    request: Request,
    through: Annotated[bool, Query(description="Never redirect to the store: send the bytes from here.")] = False,
) -> Response:
    """The MP4, with ranges and conditions; or a redirect to the store, where that has a public address."""
    row = segment_of(ports, caller, segment_id)
    refusal = _available(row)
    if refusal is not None:
        return refusal
    content = Content(row["file_path"], row["file_size_bytes"], row["sha256"], VIDEO, f"{_name(row)}.mp4")
    if request.method == "GET" and begins(request.headers):
        ports.access.note(caller.name, "download", segment_id, {"range": request.headers.get("range")})
    if request.method == "GET" and not through:
        public = ports.store.presigned(content.key, LINK_SECONDS, content.file_name, VIDEO)
        if public is not None:
            return RedirectResponse(public, 307, {"Cache-Control": "no-store"})
    return serve(ports.store, content, request.headers, request.method)


def _name(row: dict[str, Any]) -> str:
    """What a downloaded file is called: camera, UTC start, plates."""
    plates = [plate for plate in row["plates"] if plate.isalnum() and plate.isascii()]
    return "_".join([row["camera_id"], f"{row['start_time']:%Y-%m-%dT%H-%M-%SZ}", *plates[:3]])


@router.get("/segments/{segment_id}/thumbnail", response_class=Response, responses=_PICTURE)
def thumbnail(ports: Ports, caller: Viewer, segment_id: UUID, request: Request) -> Response:
    """A small picture of the clip."""
    row = segment_of(ports, caller, segment_id)
    refusal = _available(row)
    if refusal is not None:
        return refusal
    if row["thumbnail_path"] is None:
        raise NotFound(f"segment {segment_id} has no picture")
    if matches(request.headers.get("if-none-match"), etag := f"t{row['sha256'][:32]}"):
        return Response(status_code=304, headers=_kept(etag))
    return Response(ports.store.get(row["thumbnail_path"]), media_type="image/jpeg", headers=_kept(etag))


@router.get(
    "/segments/{segment_id}/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}, "application/x-tar": {}}}},
)
def export(
    ports: Ports, caller: Viewer, segment_id: UUID, format_: Annotated[Format, Query(alias="format")] = Format.ZIP
) -> Response:
    """Evidence: the clip, its facts and detections, hashes of all, and a signature; `platereel verify` checks it."""
    row = segment_of(ports, caller, segment_id)
    refusal = _available(row)
    if refusal is not None:
        return refusal
    check_unchanged(ports.store, row)
    ports.access.note(caller.name, "export", segment_id, {"format": str(format_)})
    made_at = from_ms(ports.clock.now_ms())
    into = ARCHIVES[format_](made_at)
    evidence = Evidence(ports.videos.get(segment_id), _name(row), str(ports.deployment_id), made_at, caller.name)
    headers = {
        "Content-Disposition": f'attachment; filename="{evidence.name}.{into.suffix}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(archive(ports.store, ports.signer, evidence, into), 200, headers, into.media_type)


@router.get("/signing-key")
def signing_key(ports: Ports, _: Viewer) -> schemas.SigningKey:
    """The key that evidence is signed with: publish its fingerprint where others find it."""
    public = ports.signer.public_key
    return schemas.SigningKey(algorithm="Ed25519", public_key=public, fingerprint=fingerprint(public))


def _kept(etag: str) -> dict[str, str]:
    return {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}
