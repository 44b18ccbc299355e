"""Watching and fetching clips."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from services.api.availability import clip_of
from services.api.bodies import data_router
from services.api.callers import Ports, Viewer, segment_of
from services.api.media.clip_facts import EvidencePorts
from services.api.media.exporting import export as make_export
from services.api.media.exporting import header_of
from services.api.media.films import VIDEO, film_of, sent
from services.api.media.range_response import matches
from services.api.media.redaction import Wanted
from services.api.parameters import Plate, TimeZone, zone_named
from services.api.ports import ApiPorts
from shared.domain.errors import NotFound
from shared.domain.segment import Segment
from shared.domain.strips import Strip
from shared.wire import api as schemas
from shared.wire.clip_names import clip_name
from shared.wire.evidence import fingerprint

LINK_SECONDS = 600.0
ZIP = "application/zip"
NOT_BLURRED = "Platereel-Not-Blurred"


DOWNLOADED: dict[int | str, dict[str, Any]] = {
    200: {"content": {VIDEO: {}}}, 206: {"content": {VIDEO: {}}, "description": "A range."},
    304: {"description": "It is what the client has."}, 307: {"description": "To the store."},
    412: {"description": "The file is another one by now."},
    416: {"description": "The range lies outside the file."},
}  # fmt: skip
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}}, 304: {"description": "It is what the client has."}
}  # fmt: skip

_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {ZIP: {}},
        "headers": {
            NOT_BLURRED: {
                "description": "With redact: how many passes and reads are not blurred, and why.",
                "schema": {"type": "string"},
            }
        },
    }
}

router = data_router("media")


@router.get("/segments/{segment_id}/download", response_class=Response, responses=DOWNLOADED)
@router.head("/segments/{segment_id}/download", response_class=Response, responses=DOWNLOADED)
def download(
    ports: Ports,
    caller: Viewer,
    segment_id: UUID,
    request: Request,
    through: Annotated[
        bool, Query(description="Never redirect to the store: send the bytes from here.")
    ] = False,
) -> Response:
    """Returns the MP4, with ranges and conditions; or a redirect to the store, where that has a
    public address.
    """
    segment = segment_of(ports, caller, segment_id)
    clip = clip_of(segment)
    if isinstance(clip, Response):
        return clip
    film = film_of(clip, _name(segment))
    if request.method == "GET" and not through:
        public = ports.store.presigned(film.key, LINK_SECONDS, film.file_name, VIDEO)
        if public is not None:
            ports.looks.handed_over(caller, segment_id)
            return RedirectResponse(public, 307, {"Cache-Control": "no-store"})
    return sent(ports, caller, segment_id, film, request)


def _name(segment: Segment) -> str:
    """Returns the name of a downloaded file, without suffix."""
    return clip_name(segment.camera_id, segment.start_time, segment.plates)


@router.get("/segments/{segment_id}/thumbnail", response_class=Response, responses=_PICTURE)
def thumbnail(ports: Ports, caller: Viewer, segment_id: UUID, request: Request) -> Response:
    """Returns a small picture of the clip."""
    segment = segment_of(ports, caller, segment_id)
    clip = clip_of(segment)
    if isinstance(clip, Response):
        return clip
    if segment.thumbnail_path is None:
        raise NotFound(f"segment {segment_id} has no picture")
    if matches(request.headers.get("if-none-match"), etag := f"t{clip.sha256[:32]}"):
        return Response(status_code=304, headers=_kept(etag))
    picture = ports.store.get(segment.thumbnail_path)
    ports.looks.viewed(caller, "thumbnail", segment_id)
    return Response(picture, media_type="image/jpeg", headers=_kept(etag))


@router.get("/segments/{segment_id}/strip.jpg", response_class=Response, responses=_PICTURE)
def strip_picture(ports: Ports, caller: Viewer, segment_id: UUID, request: Request) -> Response:
    """Returns small pictures of what the clip shows, two a second, on one JPEG; `strip.json` says
    when each is shown.
    """
    segment = segment_of(ports, caller, segment_id)
    clip = clip_of(segment)
    if isinstance(clip, Response):
        return clip
    _strip_of(ports, segment)
    if matches(request.headers.get("if-none-match"), etag := f"s{clip.sha256[:32]}"):
        return Response(status_code=304, headers=_kept(etag))
    try:
        picture = ports.store.get(str(segment.strip_path))
    except NotFound:
        raise NotFound(f"the strip of segment {segment_id} is no longer in the store") from None
    ports.looks.viewed(caller, "strip", segment_id)
    return Response(picture, media_type="image/jpeg", headers=_kept(etag))


@router.get("/segments/{segment_id}/strip.json", response_model=schemas.Strip)
def strip(ports: Ports, caller: Viewer, segment_id: UUID) -> schemas.Strip | Response:
    """Returns where each picture stands on `strip.jpg`, and when it is shown."""
    segment = segment_of(ports, caller, segment_id)
    clip = clip_of(segment)
    if isinstance(clip, Response):
        return clip
    found = _strip_of(ports, segment)
    return schemas.Strip(
        tile_width=found.tile_width,
        tile_height=found.tile_height,
        columns=found.columns,
        first_frame_at=segment.first_frame_at or segment.start_time,
        offsets_ms=list(found.offsets_ms),
    )


def _strip_of(ports: ApiPorts, segment: Segment) -> Strip:
    """Returns what stands on a clip's strip; raises NotFound where it has none."""
    found = ports.segments.strip(segment.id)
    if found is None:
        raise NotFound(
            f"segment {segment.id} has no strip: it was recorded before there were strips, or none "
            "could be made"
        )
    return found


@router.get("/segments/{segment_id}/export", response_class=StreamingResponse, responses=_EXPORTED)
def export(
    ports: Ports,
    caller: Viewer,
    segment_id: UUID,
    overlay: Annotated[
        bool, Query(description="With a copy that has times, plates and boxes in its pictures.")
    ] = False,
    redact: Annotated[
        Literal["others"] | None,
        Query(description="With a copy in which all plates but `plate` are blurred."),
    ] = None,
    plate: Plate | None = None,
    time_zone: TimeZone = "UTC",
    original: Annotated[
        bool, Query(description="false, with redact: without the clip as it was recorded.")
    ] = True,
) -> Response:
    """Returns evidence as a zip: clip, passes, clocks, access log, a page that shows it all, hashes
    and a signature.

    `platereel verify` checks it. `tz` is the zone of the times in overlay.mp4.
    """
    segment = segment_of(ports, caller, segment_id)
    wanted = Wanted(
        overlay=overlay,
        redact=redact is not None,
        plate=plate,
        zone=zone_named(time_zone),
        original=original,
    )
    clip = clip_of(segment)
    if isinstance(clip, Response):
        return clip
    ports.looks.require_purpose()
    made = make_export(
        ports=evidence_ports(ports),
        copying=ports.copying,
        who=caller,
        segment_id=segment_id,
        clip=clip,
        wanted=wanted,
    )
    headers = {
        "Content-Disposition": f'attachment; filename="{made.name}.zip"',
        "Cache-Control": "no-store",
    }
    if made.redaction is not None:
        headers[NOT_BLURRED] = header_of(made.redaction)
    return StreamingResponse(made.pieces, 200, headers, ZIP)


def evidence_ports(ports: ApiPorts) -> EvidencePorts:
    """Returns what evidence is made of."""
    return EvidencePorts(
        segments=ports.segments,
        passes=ports.passes,
        lists=ports.lists,
        access=ports.access,
        states=ports.states,
        store=ports.store,
        signer=ports.signer,
        video=ports.video,
        clock=ports.clock,
        settings=ports.settings,
        deployment=str(ports.deployment_id),
        server_clocks=ports.server_clocks,
    )


@router.get("/signing-key")
def signing_key(ports: Ports, _: Viewer) -> schemas.SigningKey:
    """Returns the key that evidence is signed with. Publish its fingerprint where others find
    it.
    """
    public = ports.signer.public_key
    return schemas.SigningKey(
        algorithm="Ed25519", public_key=public, fingerprint=fingerprint(public)
    )


def _kept(etag: str) -> dict[str, str]:
    return {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache"}
