"""Encodes one part: raw packets in one buffer, and their index beside them.

A part has no container. Joining then needs no demuxer (which would decode to probe), and B-frames cost nothing, because
decode times are rebuilt over the whole clip. See docs/design/parts-and-joins.md for what was measured.
"""

from __future__ import annotations

from fractions import Fraction
from hashlib import sha256

import av
import av.error
from av.video.codeccontext import VideoCodecContext

from shared.adapters.video.jpeg import MILLISECOND, JpegDecoder
from shared.domain.errors import Permanent
from shared.domain.parts import EncodedPart, Packet
from shared.domain.policy import RecordingPolicy

_H264_QUALITY, _MP4V_QUALITY = 23, 4
_SEQUENCE_PARAMETERS, _PICTURE_PARAMETERS = 7, 8
_VOP_START = b"\x00\x00\x01\xb6"
_FULL, _LIMITED, _SMPTE170M, _BT709 = 2, 1, 6, 1


def picture_size(width: int, height: int, scale: str | None) -> tuple[int, int]:
    """Clip size for a source of `width` x `height`: scaled as set, then even, as 4:2:0 needs it."""
    if scale:
        if "x" in scale:
            left, right = scale.split("x")
            width, height = int(left), int(right)
        else:
            width, height = round(width * float(scale)), round(height * float(scale))
    return max(2, width & ~1), max(2, height & ~1)


class PartEncoder:
    """Encodes frames of one part in order; `base_ms` is the part's start, and packet times are relative to it."""

    def __init__(self, policy: RecordingPolicy, width: int, height: int, base_ms: int) -> None:
        self._base_ms = base_ms
        full = policy.codec == "h264" and policy.color_range == "full"
        self._decoder = JpegDecoder(width, height, full=full)
        self._codec = _h264(policy, full=full) if policy.codec == "h264" else _mp4v(policy)
        self._codec.width, self._codec.height = width, height
        self._codec.time_base = MILLISECOND
        self._codec.framerate = Fraction(policy.fps).limit_denominator(1001)
        self._codec.thread_count = 1
        self._mp4v = policy.codec == "mp4v"
        self._chunks: list[bytes] = []
        self._index: list[Packet] = []

    def add(self, jpeg: bytes, captured_ms: int) -> None:
        """Encode one frame; Permanent when its JPEG cannot be decoded (the part goes on without it)."""
        self.add_picture(self._decoder.decode(jpeg), captured_ms)

    def add_picture(self, frame: av.VideoFrame, captured_ms: int) -> None:
        """Encode one decoded frame of the encoder's size and pixel format."""
        frame.pts = captured_ms - self._base_ms
        frame.time_base = MILLISECOND
        frame.pict_type = 0  # a JPEG decodes as an I picture; kept, every frame would become a keyframe
        self._take(frame)

    def finish(self) -> EncodedPart:
        """Flush the encoder; the part's packets and index."""
        if self._codec.is_open:
            self._take(None)
        parameters = b"" if not self._chunks else _parameters(self._chunks[0], mp4v=self._mp4v)
        return EncodedPart(b"".join(self._chunks), tuple(self._index), sha256(parameters).hexdigest())

    def _take(self, frame: av.VideoFrame | None) -> None:
        try:
            packets = self._codec.encode(frame)
        except av.error.FFmpegError as error:
            raise Permanent(f"the encoder failed: {error.strerror}") from error
        for packet in packets:
            data = bytes(packet)
            self._chunks.append(data)
            self._index.append(Packet(int(packet.pts or 0), len(data), bool(packet.is_keyframe)))


def _h264(policy: RecordingPolicy, *, full: bool) -> VideoCodecContext:
    codec = _create("libx264")
    codec.pix_fmt = "yuvj420p" if full else "yuv420p"
    codec.colorspace, codec.color_primaries, codec.color_trc = _SMPTE170M, _BT709, _BT709
    codec.color_range = _FULL if full else _LIMITED
    # Closed GOPs, one per part; parameter sets in-band and equal in all parts whatever their quality (stitchable).
    options = {
        "preset": policy.preset,
        "bf": "3",
        "x264-params": "open-gop=0:scenecut=0:keyint=infinite:stitchable=1:mbtree=1:rc-lookahead=20",
    }
    if policy.bitrate is None:
        options["crf"] = str(_H264_QUALITY if policy.quality is None else policy.quality)
    else:
        codec.bit_rate = policy.bitrate
    codec.options = options
    return codec


def _mp4v(policy: RecordingPolicy) -> VideoCodecContext:
    codec = _create("mpeg4")
    codec.pix_fmt = "yuv420p"
    codec.options = {"g": "600", "sc_threshold": "1000000000"}
    if policy.bitrate is None:
        quantiser = _MP4V_QUALITY if policy.quality is None else max(1, min(31, policy.quality))
        codec.qmin = codec.qmax = quantiser
    else:
        codec.bit_rate = policy.bitrate
    return codec


def _create(name: str) -> VideoCodecContext:
    codec = av.CodecContext.create(name, "w")
    if not isinstance(codec, VideoCodecContext):
        raise Permanent(f"{name} is not a video encoder")
    return codec


def _parameters(first_packet: bytes, *, mp4v: bool) -> bytes:
    """The parameter sets at the head of a part (ITU-T H.264 annex B; for MPEG-4 all before the first picture)."""
    if mp4v:
        return first_packet.split(_VOP_START)[0]
    units = first_packet.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    wanted = (_SEQUENCE_PARAMETERS, _PICTURE_PARAMETERS)
    return b"".join(unit for unit in units if unit and unit[0] & 0x1F in wanted)
