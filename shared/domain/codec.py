"""The codecs of a clip: one row each, with what is true of a codec whatever encodes it.

The settings of an encoder stand in the adapters; where a packet keeps its parameter sets stands in
`shared.wire`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Codec(StrEnum):
    """What the setting `codec` may be."""

    H264 = "h264"  # H.264: plays everywhere
    HEVC = "hevc"  # H.265: smaller clips, few browsers
    AV1 = "av1"  # AV1: small clips for new browsers
    MP4V = "mp4v"  # MPEG-4 part 2: the cheapest to make, for old players
    MJPEG = "mjpeg"  # Motion JPEG: the camera's own pictures
    COPY = "copy"  # the camera's own packets; each names the codec that it is of


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecRow:
    """One codec.

    suffix: of a part's object key. writer_s_per_megapixel: CPU seconds of one core for a million
    pixels; clip_bytes_per_megapixel: how large those are in a clip as it is by default, None
    where a clip is as large as the camera's pictures. docs/performance.md says how to measure both
    again.
    """

    suffix: str
    writer_s_per_megapixel: float
    clip_bytes_per_megapixel: float | None
    # CRF, or a quantiser: about the same look for every codec. None where nothing is encoded.
    default_quality: int | None = None
    worst_quality: int | None = None  # the largest number that the codec knows
    streamable: bool = False  # whether browsers play its fragments
    copyable: bool = False  # whether packets of a camera can be copied into a clip of it
    square_pixels: bool = False  # whether it has no word for the shape of a pixel

    @property
    def keeps_source(self) -> bool:
        """Whether a clip holds what the camera sends, so that no quality, bit rate or size can be
        set.
        """
        return self.default_quality is None


CODECS: Mapping[Codec, CodecRow] = {
    Codec.H264: CodecRow(
        suffix="h264",
        writer_s_per_megapixel=0.0105,
        clip_bytes_per_megapixel=11_200.0,
        default_quality=23,
        worst_quality=51,
        streamable=True,
        copyable=True,
    ),
    Codec.HEVC: CodecRow(
        suffix="h265",
        writer_s_per_megapixel=0.0358,
        clip_bytes_per_megapixel=3070.0,
        default_quality=26,
        worst_quality=51,
        streamable=True,
        copyable=True,
    ),
    Codec.AV1: CodecRow(
        suffix="obu",
        writer_s_per_megapixel=0.0141,
        clip_bytes_per_megapixel=5100.0,
        default_quality=35,
        worst_quality=63,
        streamable=True,
        square_pixels=True,
    ),
    Codec.MP4V: CodecRow(
        suffix="m4v",
        writer_s_per_megapixel=0.0066,
        clip_bytes_per_megapixel=8550.0,
        default_quality=4,
        worst_quality=31,
    ),
    Codec.MJPEG: CodecRow(
        suffix="mjpeg", writer_s_per_megapixel=0.0007, clip_bytes_per_megapixel=None
    ),
    # The camera decides how large its packets are: here 4 Mbit/s at 1080p15. Nearly all the work is
    # the strip's: a keyframe every two seconds is decoded.
    Codec.COPY: CodecRow(
        suffix="packets", writer_s_per_megapixel=0.0005, clip_bytes_per_megapixel=16_000.0
    ),
}
# Codecs that packets can be of; `copy` is none.
CODED = tuple(codec for codec in Codec if codec != Codec.COPY)
COPYABLE = tuple(codec for codec, row in CODECS.items() if row.copyable)
