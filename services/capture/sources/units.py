"""A camera's coded pictures, whoever read them: our RTSP client or FFmpeg's demuxers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

import av
import av.error
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext

from services.capture.sources.picture import SourceLost, Unusable
from services.capture.sources.rtsp import RtspVideo
from shared.domain.codec import Codec
from shared.wire.parameter_sets import begins_anew, has_recovery_point, parameter_sets

LONGEST_REORDER_MS = 2_000
REFRESH_SECONDS, KEYLESS_SECONDS = 10.0, 60.0
REFRESHES = 2
_H264_IDR, _H264_SEI = 5, 6


@dataclass(frozen=True, slots=True)
class Unit:
    """One coded picture, annex B, in decoding order.

    key: whether it refers to none before it. random: whether it only says that decoding can begin
    there (FFmpeg's keyframe, or a recovery point). at_s: when it is decoded, by the camera's clock;
    shown_after_ms: how much later it is shown.
    """

    data: bytes
    key: bool
    random: bool
    at_s: float
    shown_after_ms: int = 0


def units_of_rtsp(video: RtspVideo) -> Iterator[Unit]:
    """Yields what our own client reads: H.264 whose pictures come in the order of their times."""
    for unit in video.pictures():
        key = _H264_IDR in unit.kinds
        random = not key and _H264_SEI in unit.kinds and has_recovery_point(unit.data)
        yield Unit(unit.data, key, random, unit.at_s)


def units_of_container(container: InputContainer, codec: Codec) -> Iterator[Unit]:
    """Yields the packets of a container's first video stream."""
    for packet in container.demux(container.streams.video[0]):
        if not packet.size or packet.pts is None:
            continue
        data, clock = bytes(packet), packet.time_base or Fraction(1, 90_000)
        decoded = packet.pts if packet.dts is None else packet.dts
        key = packet.is_keyframe and begins_anew(codec, data)
        yield Unit(
            data=data,
            key=key,
            random=packet.is_keyframe and not key,
            at_s=float(decoded * clock),
            shown_after_ms=_shown_after_ms(packet.pts - decoded, clock),
        )


def _shown_after_ms(ticks: int, clock: Fraction) -> int:
    """Returns how much later a packet is shown than decoded.

    While the camera's time steps the two do not belong together.
    """
    after_ms = round(float(ticks * clock) * 1000)
    return after_ms if 0 <= after_ms <= LONGEST_REORDER_MS else 0


def open_decoder(name: Codec, sets: bytes) -> VideoCodecContext:
    """Returns a decoder that knows these parameter sets."""
    decoder = av.CodecContext.create(name, "r")
    if not isinstance(decoder, VideoCodecContext):
        raise SourceLost(f"{name} is not a video codec")
    decoder.thread_count = 1
    if sets:
        decoder.extradata = sets
    return decoder


class Keyframes:
    """Which packets a decoder can begin with.

    FFmpeg calls the recovery points of a gradual (intra) refresh keyframes too. From such a point a
    decoder needs many packets until it shows a picture, so a clip cannot begin there.
    """

    def __init__(self, codec: Codec, sets: bytes, longest_s: float = KEYLESS_SECONDS) -> None:
        self._codec, self._sets, self._longest_s = codec, sets, longest_s
        self._last_s: float | None = None
        self._refreshes = 0
        self._open_groups = False

    def is_one(self, unit: Unit) -> bool:
        """Returns whether decoding can begin with this packet.

        Raises Unusable when none could for too long.
        """
        at_s = unit.at_s + unit.shown_after_ms / 1000
        if self._last_s is None or at_s < self._last_s:
            self._last_s = at_s
        if unit.key or (unit.random and self._shows_a_picture(unit.data)):
            self._last_s, self._refreshes = at_s, 0
            return True
        self._refreshes += unit.random
        passed_s = at_s - self._last_s
        if self._refreshes >= REFRESHES and passed_s > REFRESH_SECONDS:
            raise Unusable(
                "the camera sends recovery points (intra refresh) and no keyframes: codec copy cannot be used with it; "
                "set another codec, or turn intra refresh off in the camera"
            )
        if passed_s > self._longest_s:
            raise Unusable(
                f"the camera has sent no keyframe for {passed_s:.0f} s: codec copy cannot be used with it"
            )
        return False

    def with_sets(self, unit: Unit) -> tuple[bytes, str]:
        """Returns a keyframe with the parameter sets that it needs, and their name: codec and
        hash.

        A part must begin with what its decoder needs; some cameras tell it only once.
        """
        data = unit.data
        found = parameter_sets(self._codec, data)
        if not found:
            data = self._sets + data
            found = parameter_sets(self._codec, data)
        return data, f"{self._codec}:{sha256(found).hexdigest()[:8]}"

    def _shows_a_picture(self, data: bytes) -> bool:
        """Returns whether the first picture of an open group is complete by itself; tried until one
        is.
        """
        if not self._open_groups:
            decoder = open_decoder(self._codec, self._sets)
            try:
                self._open_groups = bool(decoder.decode(av.Packet(data)) or decoder.decode(None))
            except av.error.FFmpegError:
                return False
        return self._open_groups
