"""Opens the source that a camera's setting names."""

from __future__ import annotations

from collections.abc import Callable

from services.capture.sources.films import FileSource
from services.capture.sources.packets import Copying, PacketSource
from services.capture.sources.picture import TIMEOUT_SECONDS, PictureSource, Source
from services.capture.sources.stream import StreamSource
from services.capture.sources.synthetic import SyntheticSource
from services.capture.sources.units import KEYLESS_SECONDS
from shared.domain.errors import BadInput
from shared.domain.ports import Clock
from shared.wire.urls import RTSP


def camera_source(
    name: str,
    clock: Clock,
    jpeg_quality: int,
    timeout_s: float,
    *,
    copying: Copying,
    watched: bool,
    buffered_s: float,
    looked_at: Callable[[], bool],
) -> Source:
    """Returns a camera's source; raises BadInput when its options are wrong.

    buffered_s: how far back its buffer reaches; a camera without a keyframe for so long is not
    copied where its connection decides.
    """
    if not name.startswith(RTSP):
        return make_source(name, clock, jpeg_quality, timeout_s)
    return PacketSource(
        name,
        jpeg_quality,
        clock,
        timeout_s,
        watched=watched,
        copying=copying,
        keyless_s=buffered_s if copying is Copying.WHERE_IT_CAN else KEYLESS_SECONDS,
        looked_at=looked_at,
    )


def make_source(
    name: str, clock: Clock, jpeg_quality: int, timeout_s: float = TIMEOUT_SECONDS
) -> PictureSource:
    """Returns a source; raises BadInput when its options are wrong.

    Nothing is opened before its pictures are asked for.
    """
    if name.startswith("synthetic:"):
        return SyntheticSource(name, clock, jpeg_quality)
    if name.startswith("file:"):
        return FileSource(name, clock, jpeg_quality)
    if name.startswith(("http://", "https://", *RTSP, "/dev/video")):
        return StreamSource(name, jpeg_quality, clock, timeout_s)
    raise BadInput("source", "no capture process reads this kind of source")
