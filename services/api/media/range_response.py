"""Byte ranges and conditional requests (RFC 9110, sections 13 and 14) over objects that are never
read whole.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fastapi import Response
from fastapi.responses import StreamingResponse

from services.api.errors import problem
from shared.domain.ports import ObjectStore

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)
_MOST_DIGITS = 18  # no file is larger, and Python converts no number of thousands of digits
READERS = 16
# Of downloads alone: a store that hangs holds up no other request, and a piece costs less than in
# the pool that routes run in.
_readers = ThreadPoolExecutor(READERS, "download")


@dataclass(frozen=True, slots=True)
class Content:
    """An object to serve: key, size in bytes, strong entity tag, media type, file name."""

    key: str
    size_bytes: int
    etag: str
    media_type: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes that an answer sends: first and last, of `size_bytes`.

    partial: a range was asked for.
    """

    first: int
    last: int
    size_bytes: int
    partial: bool = False

    @property
    def whole(self) -> bool:
        """Whether that is everything."""
        return self.first == 0 and self.last == self.size_bytes - 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}/{self.size_bytes}"


def resolve(content: Content, headers: Mapping[str, str], method: str) -> Span | Response:
    """Returns the bytes that a GET or HEAD sends; or the answer itself where there are none: 304,
    412 or 416. Of several ranges none is honoured, which the RFC allows; a HEAD has no ranges.
    """
    required = headers.get("if-match")
    if required is not None and not _names(required, content.etag):
        return problem(412, "the file is not the one that was asked for")
    if matches(headers.get("if-none-match"), content.etag):
        return Response(status_code=304, headers=_headers(content))
    whole = Span(0, content.size_bytes - 1, content.size_bytes)
    asked = _RANGE.fullmatch(headers.get("range", "")) if method == "GET" else None
    if asked is None or not _fresh(headers.get("if-range"), content.etag):
        return whole
    first, last = _number(asked[1]), _number(asked[2])
    if (first is None and last is None) or (
        first is not None and last is not None and last < first
    ):
        return whole  # no range at all, or one that is none
    if first is None:
        first, last = max(0, content.size_bytes - (last or 0)), None
    if first >= content.size_bytes:
        told = {"Content-Range": f"bytes */{content.size_bytes}"}
        return problem(416, "the range lies outside the file", told)
    end = content.size_bytes - 1 if last is None else min(last, content.size_bytes - 1)
    return Span(first, end, content.size_bytes, partial=True)


def serve(store: ObjectStore, content: Content, span: Span, method: str) -> Response:
    """Returns an answer with these bytes: 200 or 206. HEAD gets no body."""
    headers = {**_headers(content), "Content-Length": str(span.last - span.first + 1)}
    status = 200
    if span.partial:
        status = 206
        headers["Content-Range"] = f"bytes {span}"
    if method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=content.media_type)
    body = store.stream(content.key, span.first, span.last - span.first + 1)
    first = next(body, b"")  # so that a store that is away answers 503, not half a file
    return StreamingResponse(_ahead(first, body), status, headers, content.media_type)


async def _ahead(first: bytes, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yields pieces in order. The next is fetched from the store while one is sent to the
    client.
    """
    piece: bytes | None = first
    while piece is not None:
        coming = asyncio.get_running_loop().run_in_executor(_readers, next, rest, None)
        try:
            yield piece
        except BaseException:
            coming.cancel()
            raise
        piece = await coming


def matches(header: str | None, etag: str) -> bool:
    """Returns whether If-None-Match names this version; a weak tag is enough there."""
    return header is not None and _names(header.replace("W/", ""), etag)


def _names(header: str, etag: str) -> bool:
    tags = {tag.strip() for tag in header.split(",")}
    return f'"{etag}"' in tags or "*" in tags


def _fresh(condition: str | None, etag: str) -> bool:
    """Returns whether If-Range is absent or names exactly this version.

    A date never does: there is no Last-Modified.
    """
    return condition is None or condition.strip() == f'"{etag}"'


def _headers(content: Content) -> dict[str, str]:
    return {
        "Accept-Ranges": "bytes", "ETag": f'"{content.etag}"', "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{content.file_name}"',
    }  # fmt: skip


def _number(digits: str) -> int | None:
    """Returns a position; one of too many digits lies behind the end of any file."""
    if not digits:
        return None
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
