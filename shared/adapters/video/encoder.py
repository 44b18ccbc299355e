"""Encodes one part: raw packets in one buffer, and their index beside them.

A part has no container. Joining then needs no demuxer (which would decode to probe), and B-frames
cost nothing, because decode times are rebuilt over the whole clip. See
docs/design/parts-and-joins.md for what was measured.
"""

from __future__ import annotations

from fractions import Fraction

import av.error
from av.video.frame import PictureType, VideoFrame

from shared.adapters.video.codecs import MAKING
from shared.adapters.video.encoders import Encoders, encode, pixels_of
from shared.adapters.video.jpeg import (
    MILLISECOND,
    JpegDecoder,
    resized_jpeg,
    thumbnail,
    thumbnail_of,
)
from shared.adapters.video.strips import Tiles
from shared.domain.codec import CODECS, Codec
from shared.domain.errors import Permanent, Retryable
from shared.domain.parts import ClipForm, EncodedPart, Packet
from shared.domain.policy import RecordingPolicy
from shared.wire.frames import check_jpeg, pixel_aspect, whole_jpeg, with_pixel_aspect
from shared.wire.parameter_sets import parameters_sha256


def picture_form(jpeg: bytes, policy: RecordingPolicy) -> tuple[int, int, tuple[int, int]]:
    """Returns width, height and pixel shape of a clip that begins with this picture: scaled as set,
    then even for 4:2:0. Copies stay as they are. Where a codec cannot state the shape of a pixel,
    the clip is as wide as it is shown.
    """
    info, aspect = check_jpeg(jpeg), Fraction(*pixel_aspect(jpeg))
    width, height = info.width, info.height
    if CODECS[policy.codec].keeps_source:
        return width, height, aspect.as_integer_ratio()
    if CODECS[policy.codec].square_pixels and aspect != 1:
        width, aspect = round(width * aspect), Fraction(1)
    scaled_width, scaled_height = policy.scaled(width, height)
    if policy.scale and aspect != 1:  # shown in the camera's shape, whatever the size
        aspect *= Fraction(width * scaled_height, height * scaled_width)
    width, height = scaled_width, scaled_height
    return max(2, width & ~1), max(2, height & ~1), aspect.limit_denominator(255).as_integer_ratio()


class PartEncoder:
    """Encodes frames of one part in order; `base_ms` is the part's start, and packet times are
    relative to it.

    picture_ms: the part's thumbnail is of the picture nearest to this capture time; None for no
    thumbnail. sheet: make one.
    """

    def __init__(
        self,
        encoders: Encoders,
        name: str,
        policy: RecordingPolicy,
        form: ClipForm,
        base_ms: int,
        picture_ms: int | None = None,
        *,
        sheet: bool = False,
    ) -> None:
        size = (form.width, form.height)
        self._encoders, self._name, self._aspect = encoders, name, form.aspect
        self._coded_as, self._software = policy.codec, MAKING[policy.codec].software
        self._base_ms, self._size = base_ms, size
        self._pixels = pixels_of(name, policy, *size)
        self._decoder = JpegDecoder(self._pixels)
        self._codec = encoders.open(name, policy, *size, form.aspect)
        self._keyframes = _Keyframes(policy.keyframe_ms)
        self._nearest = _Nearest(picture_ms)
        self._picture: VideoFrame | None = None
        self._tiles = Tiles(size, form.aspect, base_ms) if sheet else None
        self._chunks: list[bytes] = []
        self._index: list[Packet] = []

    def add(self, jpeg: bytes, captured_ms: int) -> None:
        """Encode one frame; BadInput when its JPEG cannot be decoded (the part goes on without
        it).
        """
        self._encode(self._decoder.decode(jpeg), captured_ms)

    def add_picture(self, frame: VideoFrame, captured_ms: int) -> None:
        """Encode one decoded frame, whatever its size and pixel format."""
        self._encode(self._pixels.fit(frame), captured_ms)

    def _encode(self, frame: VideoFrame, captured_ms: int) -> None:
        if self._nearest.is_nearer(captured_ms):
            self._picture = frame
        if self._tiles is not None and self._tiles.wants(captured_ms):
            self._tiles.add(frame, captured_ms)
        frame.pts = captured_ms - self._base_ms
        frame.time_base = MILLISECOND
        # a JPEG decodes as an I picture; kept, every frame would become a keyframe
        frame.pict_type = (
            PictureType.I if self._keyframes.are_due(captured_ms) else PictureType.NONE
        )
        self._take(frame)

    def finish(self) -> EncodedPart:
        """Flush the encoder. Returns the part's packets and index."""
        if not self._codec.is_open:
            return EncodedPart(b"", (), "")
        self._take(None)
        if not self._chunks:
            raise Permanent(f"the encoder {self._name} delivered nothing")
        return EncodedPart(
            b"".join(self._chunks),
            tuple(self._index),
            parameters_sha256(self._coded_as, self._chunks[0], *self._size),
            None if self._picture is None else thumbnail_of(self._picture, self._aspect),
            None if self._tiles is None else self._tiles.sheet(),
        )

    def _take(self, frame: VideoFrame | None) -> None:
        try:
            packets = encode(self._codec, frame)
        except av.error.FFmpegError as error:
            if self._name != self._software:
                self._encoders.condemn(self._name, str(error.strerror))
                raise Retryable(
                    f"the encoder {self._name} failed; the next run uses another"
                ) from error
            raise Permanent(f"the encoder failed: {error.strerror}") from error
        for packet in packets:
            data = bytes(packet)
            self._chunks.append(data)
            self._index.append(Packet(int(packet.pts or 0), len(data), bool(packet.is_keyframe)))


class CopiedPictures:
    """A Motion JPEG part: the camera's own JPEGs.

    Only those of another size than the clip are decoded.
    """

    def __init__(
        self, form: ClipForm, base_ms: int, picture_ms: int | None = None, *, sheet: bool = False
    ) -> None:
        self._size, self._aspect, self._base_ms = (form.width, form.height), form.aspect, base_ms
        self._nearest = _Nearest(picture_ms)
        self._picture: bytes | None = None
        self._tiles = Tiles(self._size, form.aspect, base_ms) if sheet else None
        self._chunks: list[bytes] = []
        self._index: list[Packet] = []

    def add(self, jpeg: bytes, captured_ms: int) -> None:
        """Take one frame; BadInput when it is not a whole JPEG."""
        info, jpeg = check_jpeg(jpeg), whole_jpeg(jpeg)
        if (info.width, info.height) != self._size:
            jpeg = with_pixel_aspect(resized_jpeg(jpeg, *self._size), self._aspect)
        if self._nearest.is_nearer(captured_ms):
            self._picture = jpeg
        if self._tiles is not None and self._tiles.wants(captured_ms):
            self._tiles.add(jpeg, captured_ms)
        self._chunks.append(jpeg)
        self._index.append(Packet(captured_ms - self._base_ms, len(jpeg), keyframe=True))

    def finish(self) -> EncodedPart:
        """Returns the part's packets and index."""
        if not self._chunks:
            return EncodedPart(b"", (), "")
        return EncodedPart(
            b"".join(self._chunks),
            tuple(self._index),
            parameters_sha256(Codec.MJPEG, self._chunks[0], *self._size),
            None if self._picture is None else thumbnail(self._picture),
            None if self._tiles is None else self._tiles.sheet(),
        )


class _Keyframes:
    """Finds which frames of a part become keyframes: the first, and each after which the next would
    come too late, if it comes as soon as this one did.
    """

    def __init__(self, most_ms: int | None) -> None:
        self._most_ms = most_ms
        self._last_ms: int | None = None
        self._before_ms = 0

    def are_due(self, captured_ms: int) -> bool:
        step_ms, self._before_ms = captured_ms - self._before_ms, captured_ms
        if self._last_ms is not None and (
            self._most_ms is None or captured_ms + step_ms - self._last_ms <= self._most_ms
        ):
            return False
        self._last_ms = captured_ms
        return True


class _Nearest:
    """Finds which frame is nearest to a moment."""

    def __init__(self, picture_ms: int | None) -> None:
        self._picture_ms = picture_ms
        self._distance: int | None = None

    def is_nearer(self, captured_ms: int) -> bool:
        if self._picture_ms is None:
            return False
        distance = abs(captured_ms - self._picture_ms)
        if self._distance is not None and distance >= self._distance:
            return False
        self._distance = distance
        return True
