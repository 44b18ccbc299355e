"""Sends a clip as a film: ranges and conditions, and a line of the access log before its bytes."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request, Response

from services.api.media.range_response import Content, resolve, serve
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.segment import Clip

VIDEO = "video/mp4"


def film_of(clip: Clip, name: str) -> Content:
    """Returns a clip as it is sent, as the file of this name."""
    return Content(
        key=clip.key,
        size_bytes=clip.size_bytes,
        etag=clip.sha256,
        media_type=VIDEO,
        file_name=f"{name}.mp4",
    )


def sent(
    ports: ApiPorts, caller: Caller, segment_id: UUID, film: Content, request: Request
) -> Response:
    """Returns what a request asks of a film: all of it, a range, its head, or why there is none."""
    span = resolve(film, request.headers, request.method)
    if isinstance(span, Response):
        return span
    if request.method == "GET":
        ports.looks.sent(caller, segment_id, span)
    return serve(ports.store, film, span, request.method)
