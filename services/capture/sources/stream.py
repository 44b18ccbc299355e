"""Real cameras and files through FFmpeg: RTSP, HTTP MJPEG, V4L2, video files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import av.error
import cv2
from av.container import InputContainer
from av.video.frame import VideoFrame

from services.capture.sources.http import Unsuited
from services.capture.sources.multipart import SinglePicture, stills
from services.capture.sources.pace import Pace
from services.capture.sources.picture import TIMEOUT_SECONDS, Picture, SourceLost, number, options_of
from services.capture.sources.snapshots import EVERY_SECONDS, poll_of, polled
from shared.domain.errors import BadInput
from shared.domain.ports import Clock
from shared.domain.timing import FilmTime
from shared.wire.frames import with_pixel_aspect

_SINGLE = ("image2", "jpeg_pipe", "jpegls_pipe", "png_pipe", "bmp_pipe", "webp_pipe")
# Asked over UDP, these would be answered the same, or worse: a second wrong password.
_NOT_OF_TRANSPORT = (
    av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.HTTPNotFoundError,
    av.error.ConnectionRefusedError, av.error.ExitError, av.error.TimeoutError,
)  # fmt: skip


class StreamSource:
    """A live stream. JPEG packets are passed on as they are; anything else is decoded and encoded as JPEG.

    timeout_s: after how many seconds without a picture it is lost. An address that answers one picture a request, or
    has the option `poll=SECONDS`, is asked again and again.
    """

    def __init__(self, url: str, jpeg_quality: int, clock: Clock, timeout_s: float = TIMEOUT_SECONDS) -> None:
        self._url, self._poll_s = poll_of(url)
        if self._poll_s is not None and self._poll_s >= timeout_s:
            raise BadInput("source", f"poll={self._poll_s:g} is not below source_timeout_seconds ({timeout_s:g})")
        self._quality = jpeg_quality
        self._clock = clock
        self._timeout_s = timeout_s
        self._format: str | None = None
        self._options: dict[str, str] = {}
        if url.startswith("/dev/video"):
            self._format, self._options = "v4l2", {"input_format": "mjpeg"}
        elif url.startswith(("rtsp://", "rtsps://")):
            self._options = {"rtsp_transport": "tcp", "timeout": str(round(timeout_s * 1e6))}

    def pictures(self) -> Iterator[Picture]:
        """See the protocol. A source that stays silent for the timeout is lost."""
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
                yield from _pictures(container, self._quality)
        if single:
            yield from self._polled(EVERY_SECONDS)
        raise SourceLost("the stream ended")

    def _polled(self, every_s: float) -> Iterator[Picture]:
        for jpeg in polled(self._url, every_s, self._timeout_s, self._clock):
            yield Picture(lambda data=jpeg: data)  # type: ignore[misc]

    def open(self) -> InputContainer:
        """Open; an RTSP server that refuses TCP (461) is asked for UDP. What fails is told as TCP's failure."""
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


class FileSource:
    """`file:PATH?speed=1&loop=true`: a video played in real time, or faster, over and over."""

    def __init__(self, name: str, clock: Clock, jpeg_quality: int) -> None:
        path, options = options_of(name.removeprefix("file:").removeprefix("//"), {"speed", "loop"})
        if not path:
            raise BadInput("source", "file: needs a path")
        self._path = path
        self._quality = jpeg_quality
        self._speed = number(options, "speed", 1, 0, 1000)
        self._loop = options.get("loop", "true" if self._speed == 1 else "false") == "true"
        if self._loop and self._speed != 1:
            raise BadInput("source", "a file that is played faster cannot loop: it must end by now")
        self._clock = clock

    def pictures(self) -> Iterator[Picture]:
        """See the protocol; time goes on from loop to loop, and a jump in the film's own times is no pause."""
        with source_lost(), av.open(self._path) as container:
            step_s, duration_s = _rate_of(container), (container.duration or 0) / 1e6
        if self._speed != 1 and not duration_s:
            raise SourceLost("the file does not say how long it is: it can be played at speed 1 alone")
        time, pace = FilmTime(step_s), Pace(self._clock, self._speed, duration_s if self._speed != 1 else None)
        pace.begin()
        empty = True
        while True:
            with source_lost(), av.open(self._path) as container:
                for picture in _pictures(container, self._quality):
                    due_s = time.place(picture.source_s)
                    if due_s is None:
                        raise SourceLost("the file says neither when its pictures are due nor how many a second")
                    captured_ms, empty = pace.wait(due_s), False
                    yield Picture(picture.jpeg, due_s, captured_ms)
            if empty:
                raise SourceLost("the file has no picture that can be read")
            if not self._loop:
                return
            time.again()


def _rate_of(container: InputContainer) -> float | None:
    """Seconds between two pictures, as the file says or as its first packets let guess; None where neither does."""
    if not container.streams.video:
        raise SourceLost("the source has no video")
    rate = container.streams.video[0].guessed_rate
    return float(1 / rate) if rate else None


def _pictures(container: InputContainer, quality: int) -> Iterator[Picture]:
    """Pictures of a container's first video stream, times from its own timestamps (None where it has none)."""
    if not container.streams.video:
        raise SourceLost("the source has no video")
    stream = container.streams.video[0]
    if stream.codec_context.name == "mjpeg":
        for packet in container.demux(stream):
            if packet.size:
                data = bytes(packet)
                # HTTP MJPEG carries no times: FFmpeg invents a steady 25 a second, so arrival is the better clock.
                invented = container.format.name in {"mpjpeg", "mjpeg"}
                at = None if invented or packet.pts is None else float(packet.pts * packet.time_base)
                yield Picture(lambda d=data: d, at)  # type: ignore[misc]
        return
    stream.thread_count = 1
    for frame in container.decode(stream):
        at_s = None if frame.pts is None or not frame.time_base else float(frame.pts * frame.time_base)
        aspect = aspect_of(stream.sample_aspect_ratio)
        yield Picture(lambda f=frame, a=aspect: jpeg_of(f, quality, a), at_s)  # type: ignore[misc]


def aspect_of(ratio: Fraction | None) -> tuple[int, int]:
    """A pixel's width to its height, as FFmpeg tells it."""
    return (ratio.numerator, ratio.denominator) if ratio else (1, 1)


def jpeg_of(frame: VideoFrame, quality: int, aspect: tuple[int, int] = (1, 1)) -> bytes:
    """A JPEG of a decoded picture, which says the shape of its pixels."""
    image = frame.to_ndarray(format="bgr24")
    ok, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise SourceLost("a picture could not be encoded as JPEG")
    return with_pixel_aspect(buffer.tobytes(), aspect)


@contextmanager
def source_lost() -> Iterator[None]:
    """FFmpeg's errors (a silent RTSP peer raises ExitError, which is no OSError) as SourceLost, without the address."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise SourceLost(f"the source cannot be read: {error.strerror or type(error).__name__}") from error
