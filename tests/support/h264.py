"""Numbered H.264 as a camera would send it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

import av
from av.video.codeccontext import VideoCodecContext

from shared.domain.media import Frame, PacketMark
from tests.support.pictures import numbered_picture

FPS = 15


@dataclass(frozen=True)
class Coded:
    """One packet; pts and dts in frames."""

    data: bytes
    keyframe: bool
    pts: int
    dts: int


def camera_encoder(
    gop: int,
    bframes: int = 0,
    size: tuple[int, int] = (320, 180),
    name: str = "libx264",
    pix_fmt: str = "yuv420p",
) -> VideoCodecContext:
    codec = av.CodecContext.create(name, "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = *size, pix_fmt
    codec.time_base, codec.framerate, codec.thread_count = Fraction(1, FPS), Fraction(FPS), 1
    if name == "libx265":
        params = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={bframes}"
        params += ":repeat-headers=1:pools=none:log-level=error"
        codec.options = {"preset": "ultrafast", "crf": "18", "x265-params": params}
        return codec
    codec.options = {
        "preset": "veryfast",
        "g": str(gop),
        "bf": str(bframes),
        "crf": "18",
        "sc_threshold": "0",
    }
    if not bframes:
        codec.options |= {"tune": "zerolatency"}
    return codec


def coded(numbers: Sequence[int], gop: int, bframes: int = 0, **more: object) -> list[Coded]:
    """The numbered pictures, encoded."""
    codec = camera_encoder(gop, bframes, **more)  # type: ignore[arg-type]
    packets = []
    for at, number in enumerate(numbers):
        picture = av.VideoFrame.from_ndarray(
            numbered_picture(number, codec.width, codec.height), format="bgr24"
        )
        picture.pts = at
        packets += codec.encode(picture)
    packets += codec.encode(None)
    return [Coded(bytes(p), bool(p.is_keyframe), int(p.pts or 0), int(p.dts or 0)) for p in packets]


def as_frames(
    packets: Sequence[Coded],
    start_ms: int,
    camera: str = "cam",
    run: str = "run",
    codec: str = "h264",
    sets: str = "one",
) -> list[Frame]:
    """As capture puts them into the buffer: ids by decoding time."""
    made = []
    for counter, packet in enumerate(packets):
        decoded_ms = start_ms + round((packet.dts - packets[0].dts) * 1000 / FPS)
        shown_ms = decoded_ms + round((packet.pts - packet.dts) * 1000 / FPS)
        mark = PacketMark(
            packet.keyframe, shown_ms, f"{codec}:{sha256(sets.encode()).hexdigest()[:8]}"
        )
        made.append(
            Frame(
                camera_id=camera,
                captured_ms=decoded_ms,
                data=packet.data,
                counter=counter,
                run_id=run,
                packet=mark,
            )
        )
    return made
