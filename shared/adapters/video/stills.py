"""One picture out of a clip."""

from __future__ import annotations

from typing import BinaryIO

import av
import av.error
from av.video.frame import VideoFrame

from shared.adapters.video.jpeg import jpeg_of_frame
from shared.domain.errors import Permanent

QUALITY = 90


def still(source: BinaryIO, at_ms: int) -> bytes:
    """Returns what a clip shows at a time after its first frame, as a JPEG: the last picture that
    begins no later. Reads from the keyframe before it, not the clip.
    """
    try:
        with av.open(source, "r") as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            base = stream.time_base
            if base is None:
                raise Permanent("a clip without times")
            wanted = round(at_ms / 1000 / base) + (stream.start_time or 0)
            container.seek(max(0, wanted), stream=stream, backward=True)
            shown: VideoFrame | None = None
            for frame in container.decode(stream):
                if shown is not None and frame.pts is not None and frame.pts > wanted:
                    break
                shown = frame
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise Permanent("a clip that does not decode") from error
    if shown is None:
        raise Permanent("a clip without pictures")
    return jpeg_of_frame(shown, QUALITY)
