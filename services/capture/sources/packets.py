"""Copied cameras: their own H.264 or H.265 packets, and JPEGs for those who look at single
pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from hashlib import sha256

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from services.capture.sources.picture import (
    TIMEOUT_SECONDS,
    CodedPicture,
    Picture,
    SourceLost,
    Unusable,
)
from services.capture.sources.stream import StreamSource, aspect_of, source_lost
from shared.adapters.video.jpeg import jpeg_of_frame
from shared.domain.codec import COPYABLE, Codec
from shared.domain.ports import Clock
from shared.wire.parameter_sets import begins_anew, parameter_sets

LONGEST_REORDER_MS = 2_000
REFRESH_SECONDS, KEYLESS_SECONDS = 10.0, 60.0
REFRESHES = 2


class PacketSource:
    """An RTSP camera. Every packet is passed on unchanged, from the first keyframe on.

    watched: a detector looks at the camera, so all packets are decoded; otherwise keyframes alone.
    """

    def __init__(
        self,
        url: str,
        jpeg_quality: int,
        clock: Clock,
        timeout_s: float = TIMEOUT_SECONDS,
        *,
        watched: bool,
    ) -> None:
        self._stream = StreamSource(url, jpeg_quality, clock, timeout_s)
        self._quality = jpeg_quality
        self._watched = watched

    def pictures(self) -> Iterator[Picture | CodedPicture]:
        with source_lost(), self._stream.open() as container:
            yield from self._packets(container)
        raise SourceLost("the stream ended")

    def _packets(self, container: InputContainer) -> Iterator[Picture | CodedPicture]:
        if not container.streams.video:
            raise SourceLost("the source has no video")
        context = container.streams.video[0].codec_context
        if context.name not in COPYABLE:
            raise Unusable(
                f"its video is {context.name}: only {' and '.join(COPYABLE)} can be copied"
            )
        codec = Codec(context.name)
        sets = context.extradata or b""
        decoder = _decoder(codec, sets)
        keys = _Keyframes(codec, sets)
        parameters = ""
        for packet in container.demux(container.streams.video[0]):
            if not packet.size or packet.pts is None:
                continue
            data = bytes(packet)
            keyframe = keys.is_one(packet, data)
            if keyframe:
                found = parameter_sets(codec, data)
                if not found:
                    # A part must begin with what its decoder needs; this camera tells it only once.
                    data = sets + data
                    found = parameter_sets(codec, data)
                parameters = f"{codec}:{sha256(found).hexdigest()[:8]}"
            if not parameters:
                continue
            clock = packet.time_base or Fraction(1, 90_000)
            decoded = packet.pts if packet.dts is None else packet.dts
            at_s = float(decoded * clock)
            yield CodedPicture(
                data=data,
                keyframe=keyframe,
                parameters=parameters,
                source_s=at_s,
                shown_after_ms=_shown_after_ms(packet.pts - decoded, clock),
            )
            yield from self._seen(decoder, packet, at_s, keyframe=keyframe)

    def _seen(
        self,
        decoder: VideoCodecContext,
        packet: Packet[VideoStream],
        at_s: float,
        *,
        keyframe: bool,
    ) -> Iterator[Picture]:
        if not self._watched and not keyframe:
            return
        try:
            frames = decoder.decode(packet)
            frames += [] if self._watched else decoder.decode(None)
        except av.error.FFmpegError:
            return  # a damaged picture is recorded, and not shown
        finally:
            if not self._watched:
                decoder.flush_buffers()
        for frame in frames:
            aspect = aspect_of(decoder.sample_aspect_ratio)
            yield Picture(lambda f=frame, a=aspect: jpeg_of_frame(f, self._quality, a), at_s)  # type: ignore[misc]


def _shown_after_ms(ticks: int, clock: Fraction) -> int:
    """Returns how much later a packet is shown than decoded.

    While the camera's time steps the two do not belong together.
    """
    after_ms = round(float(ticks * clock) * 1000)
    return after_ms if 0 <= after_ms <= LONGEST_REORDER_MS else 0


def _decoder(name: Codec, sets: bytes) -> VideoCodecContext:
    decoder = av.CodecContext.create(name, "r")
    if not isinstance(decoder, VideoCodecContext):
        raise SourceLost(f"{name} is not a video codec")
    decoder.thread_count = 1
    if sets:
        decoder.extradata = sets
    return decoder


class _Keyframes:
    """Which packets a decoder can begin with.

    FFmpeg calls the recovery points of a gradual (intra) refresh keyframes too. From such a point a
    decoder needs many packets until it shows a picture, so a clip cannot begin there.
    """

    def __init__(self, codec: Codec, sets: bytes) -> None:
        self._codec, self._sets = codec, sets
        self._last_s: float | None = None
        self._refreshes = 0
        self._open_groups = False

    def is_one(self, packet: Packet[VideoStream], data: bytes) -> bool:
        """Returns whether decoding can begin with this packet.

        Raises Unusable when none could for too long.
        """
        at_s = float((packet.pts or 0) * (packet.time_base or Fraction(1, 90_000)))
        if self._last_s is None or at_s < self._last_s:
            self._last_s = at_s
        if packet.is_keyframe:
            if begins_anew(self._codec, data) or self._shows_a_picture(data):
                self._last_s, self._refreshes = at_s, 0
                return True
            self._refreshes += 1
        passed_s = at_s - self._last_s
        if self._refreshes >= REFRESHES and passed_s > REFRESH_SECONDS:
            raise Unusable(
                "the camera sends recovery points (intra refresh) and no keyframes: codec copy cannot be used with it; "
                "set another codec, or turn intra refresh off in the camera"
            )
        if passed_s > KEYLESS_SECONDS:
            raise Unusable(
                f"the camera has sent no keyframe for {passed_s:.0f} s: codec copy cannot be used with it"
            )
        return False

    def _shows_a_picture(self, data: bytes) -> bool:
        """Returns whether the first picture of an open group is complete by itself; tried until one
        is.
        """
        if not self._open_groups:
            decoder = _decoder(self._codec, self._sets)
            try:
                self._open_groups = bool(decoder.decode(av.Packet(data)) or decoder.decode(None))
            except av.error.FFmpegError:
                return False
        return self._open_groups
