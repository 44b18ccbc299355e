"""Video files as cameras: with a container or, as `.h264`, `.h265` and `.mjpeg`, without one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from services.capture.sources.pace import Pace
from services.capture.sources.picture import Picture, SourceLost, number, options_of
from services.capture.sources.stream import pictures_of_stream, source_lost
from shared.domain.errors import BadInput
from shared.domain.ports import Clock
from shared.domain.timing import FilmTime

_OPTIONS = {"speed", "loop", "fps"}
# options; a ? without a name and = after it is one of the path's
_GIVEN = re.compile(r"\?([A-Za-z_]+=[^?]*)\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FLAGS = {"true": True, "false": False}


class FileSource:
    """`file:PATH?speed=1&loop=true&fps=25`: a video played in real time, or faster, over and over.

    fps: pictures a second, whatever the file says. Without it the file's own times count; in a file
    without times, the rate of its packets; else 25.
    """

    def __init__(self, name: str, clock: Clock, jpeg_quality: int) -> None:
        written = name.removeprefix("file:").removeprefix("//")
        given = _GIVEN.search(written)
        self._path = written if given is None else written[: given.start()]
        _, options = options_of("" if given is None else given.group(), _OPTIONS)
        if not self._path:
            raise BadInput("source", "file: needs a path")
        if _CONTROL.search(unquote(self._path)):
            raise BadInput("source", "the path has a character that no file's name should have")
        self._quality = jpeg_quality
        self._speed = number(options=options, key="speed", default=1, least=0, most=1000)
        self._fps = (
            number(options=options, key="fps", default=0, least=0.1, most=1000)
            if "fps" in options
            else None
        )
        loop = options.get("loop", "true" if self._speed == 1 else "false")
        if loop not in _FLAGS:
            raise BadInput("source", "loop is true or false")
        self._loop = _FLAGS[loop]
        if self._loop and self._speed != 1:
            raise BadInput("source", "a file that is played faster cannot loop: it must end by now")
        self._clock = clock

    def pictures(self) -> Iterator[Picture]:
        """Time goes on from loop to loop, and a jump in the film's own times is no pause."""
        step_s, duration_s = self._measure()
        time, pace = FilmTime(step_s), Pace(self._clock, self._speed, duration_s)
        pace.begin()
        empty = True
        while True:
            with source_lost(), self._open() as container:
                for picture in pictures_of_stream(container, self._quality):
                    due_s = time.place(picture.source_s if self._fps is None else None)
                    if due_s is None:
                        raise SourceLost(
                            "the file says neither when its pictures are due nor how many a second: ?fps="
                        )
                    captured_ms, empty = pace.wait(due_s), False
                    yield Picture(picture.jpeg, due_s, captured_ms)
            if empty:
                raise SourceLost("the file has no picture that can be read")
            if not self._loop:
                return
            time.again()

    def _open(self) -> InputContainer:
        """Open the file of this name; if there is none, of the name without its percent-encoding.

        Always as a file: FFmpeg would take `10:30.mp4` for an address.
        """
        path = self._path if Path(self._path).exists() else unquote(self._path)
        return av.open(f"file:{path}")

    def _measure(self) -> tuple[float | None, float | None]:
        """Find the seconds between two pictures where they are known; and how long the film is,
        where it is not played live.
        """
        with source_lost(), self._open() as container:
            if not container.streams.video:
                raise SourceLost("the source has no video")
            step_s = _rate_of(container.streams.video[0]) if self._fps is None else 1 / self._fps
            if self._speed == 1:
                return step_s, None
            told_s = (container.duration or 0) / 1e6
            if told_s and self._fps is None:
                return step_s, told_s
            count = sum(bool(packet.size) for packet in container.demux(container.streams.video[0]))
        if step_s is None:
            raise SourceLost(
                "the file does not say how long it is: it can be played at speed 1 alone, or with ?fps="
            )
        if not count:
            raise SourceLost("the file has no picture that can be read")
        return step_s, count * step_s


def _rate_of(stream: VideoStream) -> float | None:
    """Returns the seconds between two pictures, by the file or its first packets; None where
    neither tells.
    """
    rate = stream.guessed_rate
    return float(1 / rate) if rate else None
