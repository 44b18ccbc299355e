"""Opens the source that a camera's setting names."""

from __future__ import annotations

from services.capture.sources.films import FileSource
from services.capture.sources.picture import TIMEOUT_SECONDS, PictureSource
from services.capture.sources.stream import StreamSource
from services.capture.sources.synthetic import SyntheticSource
from shared.domain.errors import BadInput
from shared.domain.ports import Clock


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
    if name.startswith(("http://", "https://", "rtsp://", "rtsps://", "/dev/video")):
        return StreamSource(name, jpeg_quality, clock, timeout_s)
    raise BadInput("source", "no capture process reads this kind of source")
