"""How each codec is made: which encoders, how those are set, and how their packets go into an MP4.

Every encoder is set for parts that join: closed groups of pictures, no keyframe that it is not
asked for, parameter sets in the packets and the same in all parts (docs/design/parts-and-joins.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.domain.codec import CODECS, Codec
from shared.domain.policy import RecordingPolicy

# Read by SVT-AV1, which would describe itself on standard error at every part.
os.environ.setdefault("SVT_LOG", "1")

FAMILIES = ("nvenc", "qsv", "amf", "v4l2m2m")
_ENDLESS = "100000"
_AV1_PRESETS = {
    "ultrafast": 12,
    "superfast": 10,
    "veryfast": 9,
    "faster": 8,
    "fast": 7,
    "medium": 6,
}
_NVENC_PRESETS = {
    "ultrafast": 1,
    "superfast": 2,
    "veryfast": 3,
    "faster": 4,
    "fast": 5,
    "medium": 6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How one codec is encoded, decoded and muxed.

    name: FFmpeg's, of the codec. hardware: encoder per family. full_range: whether a player is told
    of full-range samples. probe: the raw format in which a demuxer finds the parameter sets that
    MP4 keeps outside the packets; None where the muxer finds them itself. shape_probe: the same
    where pixels are not square, which only a stream that a demuxer has seen can be told of. tag:
    four characters of the MP4 sample entry, None for FFmpeg's own choice.
    """

    name: str
    software: str
    hardware: Mapping[str, str]
    decoder: str
    full_range: bool
    probe: str | None = None
    shape_probe: str | None = None
    tag: str | None = None

    def encoders(self, wanted: str) -> list[str]:
        """Encoders to try for a setting of `encoder`, the software one last."""
        families = FAMILIES if wanted == "auto" else [wanted]
        return [self.hardware[family] for family in families if family in self.hardware] + [
            self.software
        ]


def _hardware(prefix: str, *families: str) -> dict[str, str]:
    return {family: f"{prefix}_{family}" for family in families}


MAKING: Mapping[Codec, Making] = {
    Codec.H264: Making(
        name="h264",
        software="libx264",
        hardware=_hardware("h264", *FAMILIES),
        decoder="h264",
        full_range=True,
        shape_probe="h264",
    ),
    Codec.HEVC: Making(
        name="hevc",
        software="libx265",
        hardware=_hardware("hevc", *FAMILIES),
        decoder="hevc",
        full_range=True,
        probe="hevc",
        shape_probe="hevc",
        tag="hvc1",
    ),
    Codec.AV1: Making(
        name="av1",
        software="libsvtav1",
        hardware=_hardware("av1", "nvenc", "qsv", "amf"),
        decoder="libdav1d",
        full_range=True,
    ),
    Codec.MP4V: Making(
        name="mpeg4",
        software="mpeg4",
        hardware=_hardware("mpeg4", "v4l2m2m"),
        decoder="mpeg4",
        full_range=False,
        probe="m4v",
        shape_probe="m4v",
    ),
    Codec.MJPEG: Making(
        name="mjpeg",
        software="mjpeg",
        hardware={},
        decoder="mjpeg",
        full_range=True,
        shape_probe="mjpeg",
    ),
}
# How an encoder, or every encoder of a family, wants its samples; where nothing is said, as
# yuv420p.
_FORMATS = {"libx264": "yuvj420p", "libx265": "yuvj420p", "qsv": "nv12", "amf": "nv12"}


def is_full_range(policy: RecordingPolicy) -> bool:
    """Returns whether a clip keeps the JPEG's full-range samples."""
    return MAKING[policy.codec].full_range and policy.color_range == "full"


def quality_of(policy: RecordingPolicy) -> int | None:
    """Returns the quality that a policy asks for, or its codec's default; None where a codec has
    none.
    """
    return CODECS[policy.codec].default_quality if policy.quality is None else policy.quality


def samples_of(encoder: str) -> str:
    """Returns the pixel format that an encoder is given."""
    return _FORMATS.get(encoder) or _FORMATS.get(encoder.rpartition("_")[2], "yuv420p")


def options_of(encoder: str, policy: RecordingPolicy) -> dict[str, str]:
    """Returns the options of an encoder without its bit rate: keyframes at the start and where a
    picture asks for one (then one that decoding can begin with), no scene cuts, closed groups.
    """
    make = _OPTIONS.get(encoder) or _OPTIONS[encoder.rpartition("_")[2]]
    return make(policy)


def _x264(policy: RecordingPolicy) -> dict[str, str]:
    # stitchable: parameter sets that do not depend on quality. mbtree: veryfast's bytes at
    # superfast's speed.
    options = {
        "preset": policy.preset,
        "bf": "3",
        "forced-idr": "1",
        "x264-params": "open-gop=0:scenecut=0:keyint=infinite:stitchable=1:mbtree=1:rc-lookahead=20",
    }
    return options if policy.bitrate else options | {"crf": str(quality_of(policy))}


def _x265(policy: RecordingPolicy) -> dict[str, str]:
    params = "open-gop=0:scenecut=0:keyint=-1:bframes=3:repeat-headers=1:info=0:pools=none:frame-threads=1"
    options = {
        "preset": policy.preset,
        "forced-idr": "1",
        "x265-params": f"{params}:log-level=error",
    }
    return options if policy.bitrate else options | {"crf": str(quality_of(policy))}


def _svtav1(policy: RecordingPolicy) -> dict[str, str]:
    options = {
        "preset": str(_AV1_PRESETS[policy.preset]),
        "g": _ENDLESS,
        "svtav1-params": "lp=1:scd=0",
    }
    return options if policy.bitrate else options | {"crf": str(quality_of(policy))}


def _mpeg4(policy: RecordingPolicy) -> dict[str, str]:
    options = {"g": "600", "sc_threshold": "1000000000"}
    if policy.bitrate:
        return options
    quantiser = str(quality_of(policy))
    return options | {"qmin": quantiser, "qmax": quantiser}


def _nvenc(policy: RecordingPolicy) -> dict[str, str]:
    options = {
        "preset": f"p{_NVENC_PRESETS[policy.preset]}",
        "g": _ENDLESS,
        "bf": "0",
        "no-scenecut": "1",
        "forced-idr": "1",
    }
    return options if policy.bitrate else options | {"rc": "vbr", "cq": str(quality_of(policy))}


def _qsv(policy: RecordingPolicy) -> dict[str, str]:
    options = {"preset": "veryfast", "g": _ENDLESS, "bf": "0", "forced_idr": "1"}
    return options if policy.bitrate else options | {"global_quality": str(quality_of(policy))}


def _amf(policy: RecordingPolicy) -> dict[str, str]:
    options = {"quality": "speed", "g": _ENDLESS, "bf": "0", "forced_idr": "1"}
    quantiser = str(quality_of(policy))
    return (
        options if policy.bitrate else options | {"rc": "cqp", "qp_i": quantiser, "qp_p": quantiser}
    )


def _v4l2m2m(_: RecordingPolicy) -> dict[str, str]:
    return {"g": _ENDLESS}  # these encoders know a bit rate alone


_OPTIONS: dict[str, Callable[[RecordingPolicy], dict[str, str]]] = {
    "libx264": _x264, "libx265": _x265, "libsvtav1": _svtav1, "mpeg4": _mpeg4,
    "nvenc": _nvenc, "qsv": _qsv, "amf": _amf, "v4l2m2m": _v4l2m2m,
}  # fmt: skip
