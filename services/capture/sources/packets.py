"""RTSP cameras: their own H.264 or H.265 packets where those can be copied, else pictures of them.

JPEGs beside copied packets are made for those who look at single pictures, and only while somebody
does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from enum import Enum
from itertools import chain

from av.container import InputContainer
from av.video.frame import VideoFrame

from services.capture.sources.http import Unsuited
from services.capture.sources.picture import (
    TIMEOUT_SECONDS,
    CodedPicture,
    Decided,
    Picture,
    SourceLost,
    Unusable,
)
from services.capture.sources.rtsp import RtspVideo
from services.capture.sources.sight import Sight
from services.capture.sources.stream import StreamSource, pictures_of_stream, source_lost
from services.capture.sources.units import (
    KEYLESS_SECONDS,
    Keyframes,
    Unit,
    open_decoder,
    units_of_container,
    units_of_rtsp,
)
from shared.domain.codec import COPYABLE, Codec
from shared.domain.ports import Clock

AGAIN_SECONDS = 3600.0  # a camera that could not be copied may have been set up anew
# what browsers play; a clip of ten bits or of 4:2:2 they do not
_PLAYED = {"yuv420p", "yuvj420p"}


class Copying(Enum):
    """Whether a camera's packets are passed on."""

    NEVER = "never"  # pictures alone
    ALWAYS = "always"  # a camera that cannot be copied is Unusable
    WHERE_IT_CAN = "auto"  # a camera that cannot be copied is decoded


class PacketSource:
    """An RTSP camera. A copied one passes on every packet unchanged, from the first keyframe on.

    watched: a detector looks at the camera, so all packets are decoded. looked_at: asked whether
    somebody looks now. Otherwise only the first keyframe of a connection is decoded. keyless_s:
    after how long without a keyframe a camera cannot be copied.
    """

    def __init__(
        self,
        url: str,
        jpeg_quality: int,
        clock: Clock,
        timeout_s: float = TIMEOUT_SECONDS,
        *,
        watched: bool,
        copying: Copying = Copying.ALWAYS,
        keyless_s: float = KEYLESS_SECONDS,
        looked_at: Callable[[], bool] = lambda: False,
    ) -> None:
        self._url, self._quality, self._timeout_s = url, jpeg_quality, timeout_s
        self._stream = StreamSource(url, jpeg_quality, clock, timeout_s)
        self._clock = clock
        self._watched, self._looked_at = watched, looked_at
        self._copying, self._keyless_s = copying, keyless_s
        self._plain = url.startswith("rtsp://")  # whether our own client may read it
        self._decoded_until = float("-inf")
        self._why = ""  # why a camera that might be copied is decoded

    def pictures(self) -> Iterator[Picture | CodedPicture | Decided]:
        """Open and read until the source is lost.

        A camera that our own client cannot read is left to FFmpeg, from then on.
        """
        if self._plain:
            began = False
            try:
                with RtspVideo.opened(self._url, self._clock, self._timeout_s) as video:
                    units = units_of_rtsp(video)
                    for each in self._of_units(units, Codec.H264, video.track.sets):
                        began = True
                        yield each
            except Unsuited as error:
                self._plain = False
                if began:
                    raise SourceLost(f"FFmpeg reads it from now on: {error}") from error
        with source_lost(), self._stream.open() as container:
            yield from self._of_container(container)
        raise SourceLost("the stream ended")

    def _of_container(
        self, container: InputContainer
    ) -> Iterator[Picture | CodedPicture | Decided]:
        if not container.streams.video:
            raise SourceLost("the source has no video")
        context = container.streams.video[0].codec_context
        if context.name not in COPYABLE:
            self._cannot(
                f"its video is {context.name}: only {' and '.join(COPYABLE)} can be copied"
            )
        elif self._copying is Copying.WHERE_IT_CAN and context.name != Codec.H264:
            self._cannot(f"its video is {context.name}, which few browsers play")
        if self._copies():
            codec = Codec(context.name)
            units = units_of_container(container, codec)
            yield from self._of_units(units, codec, context.extradata or b"")
        else:
            yield Decided(copied=False, why=self._why)
            yield from pictures_of_stream(container, self._quality)

    def _copies(self) -> bool:
        """Returns whether packets are passed on, as far as is known now."""
        if self._copying is Copying.WHERE_IT_CAN:
            return self._clock.monotonic() >= self._decoded_until
        return self._copying is Copying.ALWAYS

    def _cannot(self, why: str) -> None:
        """Decode the camera from now on; raises Unusable where it must be copied."""
        if self._copying is Copying.ALWAYS:
            raise Unusable(why)
        if self._copying is Copying.WHERE_IT_CAN:
            self._why = why
            self._decoded_until = self._clock.monotonic() + AGAIN_SECONDS

    def _of_units(
        self, units: Iterator[Unit], codec: Codec, sets: bytes
    ) -> Iterator[Picture | CodedPicture | Decided]:
        sight = Sight(open_decoder(codec, sets), self._quality)
        first = None
        if self._copies():
            first = yield from self._copied(units, Keyframes(codec, sets, self._keyless_s), sight)
            if first is None:
                return
        yield Decided(copied=False, why=self._why)
        for unit in units if first is None else chain((first,), units):
            yield from sight.watch(unit)

    def _copied(
        self, units: Iterator[Unit], keys: Keyframes, sight: Sight
    ) -> Generator[Picture | CodedPicture | Decided, None, Unit | None]:
        """Yields packets. Returns the one at which it turned out that none can be copied; None at
        their end.
        """
        parameters, glanced = "", None
        for unit in units:
            try:
                key = keys.is_one(unit)
            except Unusable as error:
                self._cannot(error.message)
                if not parameters:
                    return unit
                raise SourceLost(f"it is decoded from now on: {error.message}") from error
            if key:
                if not parameters:
                    picture = sight.glance(unit)
                    if self._copying is not Copying.ALWAYS and not self._is_played(picture):
                        return unit
                    yield Decided(copied=True)
                    glanced = picture
                data, parameters = keys.with_sets(unit)
            elif parameters:
                data = unit.data
            else:
                continue
            yield CodedPicture(
                data=data,
                keyframe=key,
                parameters=parameters,
                source_s=unit.at_s,
                shown_after_ms=unit.shown_after_ms,
            )
            if self._watched or self._looked_at():
                yield from sight.look(unit, key=key)
            elif glanced is not None:
                yield sight.picture(glanced, unit.at_s)
            else:
                sight.rest()
            glanced = None
        return None

    def _is_played(self, picture: VideoFrame | None) -> bool:
        """Returns whether a copied clip of such pictures would be played by browsers."""
        if picture is not None and picture.format.name in _PLAYED:
            return True
        self._cannot(
            "its keyframe cannot be decoded"
            if picture is None
            else f"its pictures are {picture.format.name}, which few browsers play"
        )
        return False
