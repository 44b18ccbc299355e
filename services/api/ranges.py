"""Byte ranges and conditional requests (RFC 9110, sections 13 and 14) over objects that are never read whole."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.api.errors import problem
from shared.domain.ports import ObjectStore

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Content:
    """An object to serve: key, size in bytes, strong entity tag, media type, file name."""

    key: str
    size_bytes: int
    etag: str
    media_type: str
    file_name: str


def serve(store: ObjectStore, content: Content, request: Mapping[str, str], method: str) -> Response:
    """Answer GET or HEAD: 200, 206, 304 or 416. Of several ranges none is honoured, which the RFC allows."""
    headers = {
        "Accept-Ranges": "bytes", "ETag": f'"{content.etag}"', "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{content.file_name}"',
    }  # fmt: skip
    if matches(request.get("if-none-match"), content.etag):
        return Response(status_code=304, headers=headers)
    span = _span(request, content)
    if span is None:
        return problem(416, "the range lies outside the file", {"Content-Range": f"bytes */{content.size_bytes}"})
    start, end = span
    status = 200
    if (start, end) != (0, content.size_bytes - 1) or _asked(request, content):
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end}/{content.size_bytes}"
    headers["Content-Length"] = str(end - start + 1)
    if method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=content.media_type)
    body = store.stream(content.key, start, end - start + 1)
    first = next(body, b"")  # so that a store that is away answers 503, not half a file
    return StreamingResponse(_ahead(first, body), status, headers, content.media_type)


async def _ahead(first: bytes, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces in order; the next is on its way from the store while one is on its way to the client."""
    piece: bytes | None = first
    while piece is not None:
        coming = asyncio.ensure_future(run_in_threadpool(next, rest, None))
        try:
            yield piece
        except BaseException:
            coming.cancel()
            raise
        piece = await coming


def matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names this version."""
    if header is None:
        return False
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")}
    return etag in tags or "*" in tags


def begins(request: Mapping[str, str]) -> bool:
    """Whether a request asks for the beginning: players ask for the rest in many more."""
    found = _RANGE.fullmatch(request.get("range", ""))
    return found is None or found[1] in {"", "0"}


def _asked(request: Mapping[str, str], content: Content) -> bool:
    """Whether a single range was asked for that still concerns this version of the file."""
    condition = request.get("if-range")
    fresh = condition is None or condition.strip('"') == content.etag
    found = _RANGE.fullmatch(request.get("range", ""))
    if not fresh or found is None or not (found[1] or found[2]):
        return False
    return not (found[1] and found[2]) or int(found[2]) >= int(found[1])


def _span(request: Mapping[str, str], content: Content) -> tuple[int, int] | None:
    """First and last byte to send; None when the range cannot be satisfied."""
    whole = (0, content.size_bytes - 1)
    found = _RANGE.fullmatch(request.get("range", ""))
    if found is None or not _asked(request, content):
        return whole
    first, last = found[1], found[2]
    if not first:
        length = min(int(last), content.size_bytes)
        return None if length == 0 else (content.size_bytes - length, content.size_bytes - 1)
    start, end = int(first), min(int(last), content.size_bytes - 1) if last else content.size_bytes - 1
    return None if start >= content.size_bytes else (start, end)
