"""Real cameras through FFmpeg: RTSP, HTTP MJPEG, V4L2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import av.error
from av.container import InputContainer

from services.capture.sources.http import Unsuited
from services.capture.sources.multipart import SinglePicture, stills
from services.capture.sources.picture import TIMEOUT_SECONDS, Picture, SourceLost
from services.capture.sources.snapshots import EVERY_SECONDS, poll_of, polled
from shared.adapters.video.jpeg import jpeg_of_frame
from shared.domain.errors import BadInput
from shared.domain.ports import Clock
from shared.wire.urls import RTSP

_SINGLE = ("image2", "jpeg_pipe", "jpegls_pipe", "png_pipe", "bmp_pipe", "webp_pipe")
# Asked over UDP, these would be answered the same, or worse: a second wrong password.
_NOT_OF_TRANSPORT = (
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.HTTPNotFoundError,
    av.error.ConnectionRefusedError,
    av.error.ExitError,
    av.error.TimeoutError,
)


class StreamSource:
    """A live stream. JPEG packets are passed on unchanged; all else is decoded and encoded as JPEG.

    timeout_s: after how many seconds without a picture it is lost. An address that answers one
    picture a request, or has the option `poll=SECONDS`, is asked again and again.
    """

    def __init__(
        self, url: str, jpeg_quality: int, clock: Clock, timeout_s: float = TIMEOUT_SECONDS
    ) -> None:
        self._url, self._poll_s = poll_of(url)
        if self._poll_s is not None and self._poll_s >= timeout_s:
            raise BadInput(
                "source",
                f"poll={self._poll_s:g} is not below source_timeout_seconds ({timeout_s:g})",
            )
        self._quality = jpeg_quality
        self._clock = clock
        self._timeout_s = timeout_s
        self._format: str | None = None
        self._options: dict[str, str] = {}
        if url.startswith("/dev/video"):
            self._format, self._options = "v4l2", {"input_format": "mjpeg"}
        elif url.startswith(RTSP):
            self._options = {"rtsp_transport": "tcp", "timeout": str(round(timeout_s * 1e6))}

    def pictures(self) -> Iterator[Picture]:
        """A source that stays silent for the timeout is lost."""
        if self._poll_s is not None:
            yield from self._polled(self._poll_s)
        if self._url.startswith(("http://", "https://")):
            try:
                for still in stills(self._url, self._timeout_s):
                    yield Picture(lambda data=still.jpeg: data, still.source_s)  # type: ignore[misc]
            except SinglePicture:
                yield from self._polled(EVERY_SECONDS)
            except Unsuited:
                pass  # FFmpeg knows more dialects
        single = False
        with source_lost(), self.open() as container:
            single = container.format.name in _SINGLE and self._url.startswith("http")
            if not single:
                yield from pictures_of_stream(container, self._quality)
        if single:
            yield from self._polled(EVERY_SECONDS)
        raise SourceLost("the stream ended")

    def _polled(self, every_s: float) -> Iterator[Picture]:
        for jpeg in polled(self._url, every_s, self._timeout_s, self._clock):
            yield Picture(lambda data=jpeg: data)  # type: ignore[misc]

    def open(self) -> InputContainer:
        """Open the stream.

        An RTSP server that refuses TCP (461) is asked for UDP; a failure is reported as TCP's.
        """
        try:
            return self._try(self._options)
        except av.error.FFmpegError as error:
            if "rtsp_transport" not in self._options or isinstance(error, _NOT_OF_TRANSPORT):
                raise
            try:
                return self._try(self._options | {"rtsp_transport": "udp"})
            except av.error.FFmpegError:
                raise error from None

    def _try(self, options: dict[str, str]) -> InputContainer:
        patience = (self._timeout_s, self._timeout_s)
        return av.open(self._url, format=self._format, options=options, timeout=patience)


def pictures_of_stream(container: InputContainer, quality: int) -> Iterator[Picture]:
    """Yields the pictures of a container's first video stream, with its own timestamps (None where
    it has none).
    """
    if not container.streams.video:
        raise SourceLost("the source has no video")
    stream = container.streams.video[0]
    if stream.codec_context.name == "mjpeg":
        for packet in container.demux(stream):
            if packet.size:
                data = bytes(packet)
                # HTTP MJPEG carries no times: FFmpeg invents a steady 25 a second, so arrival is
                # the better clock.
                invented = container.format.name in {"mpjpeg", "mjpeg"}
                at = (
                    None if invented or packet.pts is None else float(packet.pts * packet.time_base)
                )
                yield Picture(lambda d=data: d, at)  # type: ignore[misc]
        return
    stream.thread_count = 1
    for frame in container.decode(stream):
        at_s = (
            None if frame.pts is None or not frame.time_base else float(frame.pts * frame.time_base)
        )
        aspect = aspect_of(stream.sample_aspect_ratio)
        yield Picture(lambda f=frame, a=aspect: jpeg_of_frame(f, quality, a), at_s)  # type: ignore[misc]


def aspect_of(ratio: Fraction | None) -> tuple[int, int]:
    """Returns a pixel's width to its height, as FFmpeg tells it."""
    return (ratio.numerator, ratio.denominator) if ratio else (1, 1)


@contextmanager
def source_lost() -> Iterator[None]:
    """Turn FFmpeg's errors into SourceLost without the address.

    A silent RTSP peer raises ExitError, which is no OSError.
    """
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise SourceLost(
            f"the source cannot be read: {error.strerror or type(error).__name__}"
        ) from error
