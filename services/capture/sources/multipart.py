"""Motion JPEG over HTTP, read part by part (multipart/x-mixed-replace, RFC 2046), without a demuxer.

Only what most cameras do: plain HTTP, no or basic authentication, and a Content-Length with every part. Whoever does
otherwise is left to FFmpeg.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, unquote, urlsplit

from services.capture.sources.picture import SourceLost
from shared.wire.frames import MAX_JPEG_BYTES

_OK, _LONGEST_LINE, _MOST_LINES = 200, 4096, 64


class Unsuited(Exception):
    """The camera speaks another dialect."""


def jpegs(url: str, timeout_s: float) -> Iterator[bytes]:
    """The pictures of a camera as they come; Unsuited before the first one, SourceLost when it ends or falls silent."""
    try:
        address = urlsplit(url)
        with (
            closing(HTTPConnection(address.hostname or "", address.port, timeout=timeout_s)) as connection,
            closing(_request(connection, address)) as response,
        ):
            yield from _parts(response)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: an address that is none
        raise SourceLost(f"the camera cannot be read: {type(error).__name__}") from error
    raise SourceLost("the stream ended")


def _parts(response: HTTPResponse) -> Iterator[bytes]:
    if response.status != _OK or response.headers.get_content_maintype() != "multipart":
        raise Unsuited
    length = _length_of_next(response)
    if length is None:
        raise Unsuited
    while length is not None:
        data = response.read(length)
        if len(data) < length:
            return
        yield data
        length = _length_of_next(response)


def _authorization(address: SplitResult) -> dict[str, str]:
    if address.username is None:
        return {}
    secret = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}


def _request(connection: HTTPConnection, address: SplitResult) -> HTTPResponse:
    path = address.path or "/"
    wanted = f"{path}?{address.query}" if address.query else path
    connection.request("GET", wanted, headers=_authorization(address))
    return connection.getresponse()


def _length_of_next(response: HTTPResponse) -> int | None:
    """Read up to a part's first byte; its length, None when there is no further part or it does not say."""
    length: int | None = None
    for _ in range(_MOST_LINES):
        line = response.readline(_LONGEST_LINE)
        if not line:
            return None
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
            if length > MAX_JPEG_BYTES:
                raise SourceLost(f"a picture of {length} bytes is over the limit of {MAX_JPEG_BYTES}")
        elif not line.strip() and length is not None:
            return length
    return None
