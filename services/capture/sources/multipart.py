"""Motion JPEG over HTTP, read part by part (multipart/x-mixed-replace, RFC 2046), without a
demuxer. A part ends where its Content-Length says, or at the next boundary where that is absent or
wrong. Parts without a picture (text, XML, nothing) are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse

from services.capture.sources.http import Unsuited, answer
from services.capture.sources.picture import SourceLost
from shared.domain.errors import BadInput
from shared.wire.frames import MAX_JPEG_BYTES, is_whole, jpegs_in, starts_like_jpeg

_LONGEST_LINE, _MOST_LINES, _CHUNK = 4096, 64, 65_536
# a camera that puts several pictures into a part does so at once; to look costs more than to read
_LOOKED_AT = 32
_TIME_HEADERS = (b"x-timestamp", b"timestamp", b"x-time", b"x-frame-time")
_SECONDS = re.compile(rb"\d{1,10}\.\d{2,9}")
_TICKS_A_SECOND = {13: 1e3, 16: 1e6, 19: 1e9}  # by digits, since 1970


class SinglePicture(Exception):
    """The camera answers one picture a request."""


@dataclass(frozen=True, slots=True)
class Still:
    """A picture, and its time in seconds by the camera's own clock where its part has one."""

    jpeg: bytes
    source_s: float | None = None


def stills(url: str, timeout_s: float) -> Iterator[Still]:
    """Yields the camera's pictures until it ends or falls silent (SourceLost).

    Raises Unsuited or SinglePicture before the first one.
    """
    with answer(url, timeout_s) as response:
        kind = response.headers.get_content_maintype()
        if kind == "image":
            raise SinglePicture
        if kind != "multipart":
            raise Unsuited
        before_s, several = 0.0, False
        for number, (head, data) in enumerate(_Parts(response)):
            source_s = _time_of(head)
            # a clock that stands is none
            source_s = None if source_s is None or source_s <= before_s else source_s
            before_s = before_s if source_s is None else source_s
            split = several or number < _LOOKED_AT or number % _LOOKED_AT == 0
            found = pictures_of(head.get(b"content-type", b""), data, split=split)
            several = several or len(found) > 1
            for at, jpeg in enumerate(found):
                yield Still(jpeg, source_s if at == 0 else None)
    raise SourceLost("the stream ended")


def pictures_of(kind: bytes, data: bytes, *, split: bool = True) -> list[bytes]:
    """Returns the JPEGs of a part, whatever its type.

    A damaged part that is called a picture is passed on. split: look for a second one.
    """
    if starts_like_jpeg(data):
        if not split:
            return [data]
        try:
            return jpegs_in(data)
        except BadInput:
            return [data]
    return [data] if data.strip() and kind.strip().lower().startswith(b"image/") else []


def _time_of(head: dict[bytes, bytes]) -> float | None:
    """Returns the seconds by the camera's own clock, where a part gives them to better than a
    second.
    """
    text = next((head[name] for name in _TIME_HEADERS if name in head), b"").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    return (
        int(text) / _TICKS_A_SECOND[len(text)]
        if text.isdigit() and len(text) in _TICKS_A_SECOND
        else None
    )


class _Parts:
    """Heads and bodies of the parts of an answer; ends where the answer does."""

    def __init__(self, response: HTTPResponse) -> None:
        # Where an answer has neither a length nor chunks HTTPResponse adds nothing, and costs as
        # much as all other reading of a part's head.
        bare = not response.chunked and response.length is None
        self._response = response.fp if bare else response
        boundary = (response.headers.get_boundary() or "").lstrip("-")
        self._boundary = b"--" + boundary.encode("latin-1", "replace") if boundary else b""
        self._pending = b""

    def __iter__(self) -> Iterator[tuple[dict[bytes, bytes], bytes]]:
        while True:
            head = self._head()
            if head is None:
                return
            body = self._body(head)
            if body is None:
                return
            yield head, body

    def _head(self) -> dict[bytes, bytes] | None:
        """Returns the headers of the next part; None when there is none."""
        head: dict[bytes, bytes] = {}
        skipped = 0
        while skipped < _MOST_LINES:
            line = self._line()
            if not line:
                return None
            name, colon, value = line.partition(b":")
            if not line.strip() and head:
                return head
            if line.startswith(b"--") or not colon:
                self._boundary = self._boundary or line.strip()
                skipped += bool(line.strip())
                continue
            head[name.strip().lower()] = value.strip()
            skipped += 1
        raise SourceLost("the camera sends something other than parts with pictures")

    def _body(self, head: dict[bytes, bytes]) -> bytes | None:
        """Returns what a part holds; None when it is cut off."""
        told = head.get(b"content-length", b"")
        # nothing is told, or that nothing comes: the boundary shows
        if not told.isdigit() or int(told) == 0:
            if not self._boundary:
                raise Unsuited
            return self._until_boundary(b"")
        length = int(told)
        if length > MAX_JPEG_BYTES:
            raise SourceLost(f"a picture of {length} bytes is over the limit of {MAX_JPEG_BYTES}")
        data = self._read(length)
        if len(data) == length and starts_like_jpeg(data) and data.endswith(b"\xff\xd9"):
            return data  # as nearly always
        # a length that is too long: the next part has begun in it
        if self._boundary and self._boundary in data:
            return self._until_boundary(data)
        if len(data) < length:
            return None
        # a length that is too short, or damage
        if self._boundary and starts_like_jpeg(data) and not is_whole(data):
            return self._until_boundary(data)
        return data

    def _until_boundary(self, data: bytes) -> bytes | None:
        """Returns what comes before the next boundary, which is left for the next part's head."""
        self._pending = data + self._pending
        data, self._pending = self._pending, b""
        at = data.find(self._boundary)
        while at < 0:
            if len(data) > MAX_JPEG_BYTES:
                raise SourceLost(f"a picture without an end in {MAX_JPEG_BYTES} bytes")
            more = self._response.read1(_CHUNK)
            if not more:
                return data if starts_like_jpeg(data) and is_whole(data) else None
            searched = max(0, len(data) - len(self._boundary))
            data += more
            at = data.find(self._boundary, searched)
        self._pending = data[at:]
        return data[:at].removesuffix(b"\n").removesuffix(b"\r")

    def _read(self, length: int) -> bytes:
        if not self._pending:
            return self._response.read(length)
        data, self._pending = self._pending[:length], self._pending[length:]
        return data + self._response.read(length - len(data)) if len(data) < length else data

    def _line(self) -> bytes:
        if not self._pending:
            return self._response.readline(_LONGEST_LINE)
        line, end, self._pending = self._pending.partition(b"\n")
        return line + end if end else line + self._response.readline(_LONGEST_LINE)
