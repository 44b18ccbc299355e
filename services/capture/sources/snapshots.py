"""Cameras that answer one JPEG a request. They are asked again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import av
import av.error

from services.capture.sources.http import Unsuited, answer
from services.capture.sources.multipart import pictures_of
from services.capture.sources.picture import SourceLost, number
from shared.domain.ports import Clock
from shared.wire.frames import MAX_JPEG_BYTES

EVERY_SECONDS, OFTENEST_SECONDS, RAREST_SECONDS = 1.0, 0.1, 300.0


def poll_of(url: str) -> tuple[str, float | None]:
    """Returns an address without its option `poll`, and its seconds; None where it has none.

    Raises BadInput for a bad number.
    """
    if not url.startswith("http") or "poll=" not in url:
        return url, None
    address = urlsplit(url)
    options = dict(parse_qsl(address.query, keep_blank_values=True))
    if "poll" not in options:
        return url, None
    every_s = number(
        options=options,
        key="poll",
        default=EVERY_SECONDS,
        least=OFTENEST_SECONDS,
        most=RAREST_SECONDS,
    )
    query = re.sub(r"(^|&)poll=[^&]*", "", address.query).removeprefix("&")
    return urlunsplit(address._replace(query=query)), every_s


def polled(url: str, every_s: float, timeout_s: float, clock: Clock) -> Iterator[bytes]:
    """Yields a picture every so many seconds, until one does not come (SourceLost)."""
    due_s = clock.monotonic()
    while True:
        yield _one(url, timeout_s)
        due_s = max(due_s + every_s, clock.monotonic())
        clock.sleep(due_s - clock.monotonic())


def _one(url: str, timeout_s: float) -> bytes:
    try:
        with answer(url, timeout_s) as response:
            data = response.read(MAX_JPEG_BYTES)
            found = pictures_of(response.headers.get_content_type().encode(), data)
    except Unsuited:
        return _by_ffmpeg(url, timeout_s)
    if not found:
        raise SourceLost("the camera's answer is no picture")
    return found[0]


def _by_ffmpeg(url: str, timeout_s: float) -> bytes:
    """For what `answer` cannot do and FFmpeg can: digest authentication, redirection."""
    try:
        with av.open(url, timeout=timeout_s) as container, suppress(IndexError, StopIteration):
            stream = container.streams.video[0]
            if stream.codec_context.name == "mjpeg":
                return next(bytes(packet) for packet in container.demux(stream) if packet.size)
    except (av.error.FFmpegError, OSError) as error:
        raise SourceLost(
            f"the source cannot be read: {error.strerror or type(error).__name__}"
        ) from error
    raise SourceLost("the camera's answer is no picture")
