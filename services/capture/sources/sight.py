"""Pictures of a camera's packets, decoded only while somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from services.capture.sources.picture import Picture, SourceLost
from services.capture.sources.stream import aspect_of
from services.capture.sources.units import Unit
from shared.adapters.video.jpeg import jpeg_of_frame

CLOCK_HZ = 90_000
DAMAGED_IN_A_ROW = 150  # ten seconds of a usual camera


class Sight:
    """One connection's decoder."""

    def __init__(self, decoder: VideoCodecContext, jpeg_quality: int) -> None:
        self._decoder, self._quality = decoder, jpeg_quality
        self._looking = False
        self._damaged = 0

    def glance(self, unit: Unit) -> VideoFrame | None:
        """Returns the picture of a keyframe alone, None where it cannot be decoded."""
        self.rest()
        try:
            frames = [*self._decode(unit), *self._decoder.decode(None)]
        except av.error.FFmpegError:
            frames = []
        self._decoder.flush_buffers()
        return frames[0] if frames else None

    def rest(self) -> None:
        """Nobody looks any more."""
        if self._looking:
            self._looking = False
            self._decoder.flush_buffers()

    def look(self, unit: Unit, *, key: bool) -> Iterator[Picture]:
        """Yields pictures from the next keyframe on. A damaged one is not shown."""
        self._looking = self._looking or key
        if not self._looking:
            return
        try:
            frames = self._decode(unit)
        except av.error.FFmpegError:
            self._damaged += 1
            return
        if frames:
            self._damaged = 0
        for frame in frames:
            yield self.picture(frame, unit.at_s)

    def watch(self, unit: Unit) -> Iterator[Picture]:
        """Yields the pictures of a camera that is nothing but watched.

        Raises SourceLost when none could be decoded for long.
        """
        yield from self.look(unit, key=True)
        if self._damaged > DAMAGED_IN_A_ROW:
            raise SourceLost("the source cannot be read: its pictures cannot be decoded")

    def picture(self, frame: VideoFrame, at_s: float) -> Picture:
        """Returns a decoded frame as a picture; at_s: where the frame itself has no time."""
        aspect = aspect_of(self._decoder.sample_aspect_ratio)
        shown_s = at_s if frame.pts is None else frame.pts / CLOCK_HZ
        return Picture(lambda: jpeg_of_frame(frame, self._quality, aspect), shown_s)

    def _decode(self, unit: Unit) -> list[VideoFrame]:
        packet = av.Packet(unit.data)
        packet.time_base = Fraction(1, CLOCK_HZ)
        packet.pts = round((unit.at_s + unit.shown_after_ms / 1000) * CLOCK_HZ)
        return self._decoder.decode(packet)
