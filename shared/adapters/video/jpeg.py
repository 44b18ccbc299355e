"""JPEG to planes without RGB on the way, and pictures back to JPEG."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from shared.domain.errors import Permanent

Image = NDArray[np.uint8]
MILLISECOND = Fraction(1, 1000)
_BT601 = 5
_FULL, _LIMITED = 2, 1


class JpegDecoder:
    """Decodes one camera's JPEGs into YUV 4:2:0 of one size.

    full=True keeps the JPEG's samples (full range, ITU-R BT.601 matrix, as JFIF defines them); full=False squeezes them
    into limited range with the matrix kept.
    """

    def __init__(self, width: int, height: int, *, full: bool) -> None:
        self._width, self._height, self._full = width, height, full
        self._codec = av.CodecContext.create("mjpeg", "r")
        self._codec.thread_count = 1
        self._reformatter = VideoReformatter()

    def decode(self, jpeg: bytes) -> VideoFrame:
        """A yuvj420p (full) or yuv420p frame of the decoder's size; Permanent when the JPEG cannot be decoded."""
        try:
            frames = self._codec.decode(av.Packet(jpeg))
        except av.error.MemoryError as error:
            raise Permanent("a picture too large to decode") from error
        except (av.error.FFmpegError, ValueError) as error:
            raise Permanent("a JPEG that cannot be decoded") from error
        if not frames or not isinstance(frames[0], VideoFrame):
            raise Permanent("a JPEG without a picture")
        frame = frames[0]
        wanted = "yuvj420p" if self._full else "yuv420p"
        if (frame.width, frame.height, frame.format.name) == (self._width, self._height, wanted):
            return frame
        return self._reformatter.reformat(
            frame,
            self._width,
            self._height,
            wanted,
            src_colorspace=_BT601,
            dst_colorspace=_BT601,
            src_color_range=_FULL,
            dst_color_range=_FULL if self._full else _LIMITED,
        )


def encode_jpeg(image: Image, quality: int = 85) -> bytes:
    """A JPEG (4:2:0) of a BGR picture, uint8 of shape (height, width, 3) or (height, width)."""
    ok, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise Permanent("the picture could not be encoded as JPEG")
    return buffer.tobytes()


def decode_bgr(jpeg: bytes) -> Image:
    """A BGR picture, uint8 of shape (height, width, 3); Permanent when it cannot be decoded."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise Permanent("a JPEG that cannot be decoded")
    return image.astype(np.uint8, copy=False)


def thumbnail(jpeg: bytes, width: int = 320) -> bytes:
    """A small JPEG of a picture, at most `width` pixels wide."""
    image = decode_bgr(jpeg)
    scale = min(1.0, width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return encode_jpeg(small.astype(np.uint8, copy=False), 80)
