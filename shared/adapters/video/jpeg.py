"""JPEG to planes without RGB on the way, and pictures back to JPEG."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
import cv2
import numpy as np
import simplejpeg
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from shared.adapters.video.pixels import Pixels, jpeg_planes
from shared.domain.errors import BadInput
from shared.domain.media import Box
from shared.wire.frames import check_jpeg, pixel_aspect, with_pixel_aspect

Image = NDArray[np.uint8]
MILLISECOND = Fraction(1, 1000)
THUMBNAIL_WIDTH, THUMBNAIL_QUALITY = 320, 80
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


class JpegDecoder:
    """Decodes one camera's JPEGs into pictures as an encoder takes them.

    A clip of at most half the camera's size is decoded at a reduced size (libjpeg's scaled inverse
    transform), which is cheaper than a full decode, though it goes through BGR. A picture that
    equals the one before, byte for byte, is not decoded again.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels
        self._codec = av.CodecContext.create("mjpeg", "r")
        self._codec.thread_count = 1
        self._last: tuple[bytes, VideoFrame] | None = None

    def decode(self, jpeg: bytes) -> VideoFrame:
        """Returns a picture of the encoder's size and format, valid until the next call; raises
        BadInput when it cannot be decoded.
        """
        if self._last is not None and self._last[0] == jpeg:
            return self._last[1]
        info = check_jpeg(jpeg)
        factor = min(info.width / self._pixels.width, info.height / self._pixels.height)
        reduced = next((flag for by, flag in _REDUCED.items() if factor >= by), None)
        frame = self._pixels.fit(self._whole(jpeg) if reduced is None else _reduced(jpeg, reduced))
        self._last = (jpeg, frame)
        return frame

    def _whole(self, jpeg: bytes) -> VideoFrame:
        try:
            frames = self._codec.decode(av.Packet(jpeg))
        except av.error.MemoryError as error:
            raise BadInput("frame", "a picture too large to decode") from error
        except (av.error.FFmpegError, ValueError) as error:
            raise BadInput("frame", "a JPEG that cannot be decoded") from error
        if not frames or not isinstance(frames[0], VideoFrame):
            raise BadInput("frame", "a JPEG without a picture")
        return frames[0]


def _reduced(jpeg: bytes, flag: int) -> VideoFrame:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise BadInput("frame", "a JPEG that cannot be decoded")
    return VideoFrame.from_ndarray(image.astype(np.uint8, copy=False), format="bgr24")


def encode_jpeg(image: Image, quality: int = 85) -> bytes:
    """Returns a JPEG (4:2:0) of a BGR picture, uint8 of shape (height, width, 3) or (height,
    width). Raises BadInput where it cannot be encoded: a JPEG has at most 65,500 pixels a side.
    """
    ok, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise BadInput("frame", "a picture that cannot be encoded as JPEG")
    return buffer.tobytes()


def jpeg_of_frame(frame: VideoFrame, quality: int, aspect: tuple[int, int] = (1, 1)) -> bytes:
    """Returns a JPEG (4:2:0) of a decoded picture with the shape of its pixels; raises BadInput
    when it cannot be encoded.
    """
    planes = jpeg_planes(frame)
    if planes is None:
        image = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
        return with_pixel_aspect(encode_jpeg(image, quality), aspect)
    return with_pixel_aspect(planes_jpeg(planes, quality), aspect)


def planes_jpeg(planes: tuple[Image, Image, Image], quality: int) -> bytes:
    """Returns a JPEG of planes as `jpeg_planes` has them; raises BadInput when it cannot be
    encoded.
    """
    try:
        jpeg: bytes = simplejpeg.encode_jpeg_yuv_planes(*planes, quality=quality)
    except ValueError as error:
        raise BadInput("frame", "a picture that cannot be encoded as JPEG") from error
    return jpeg


def decode_bgr(jpeg: bytes) -> Image:
    """Returns a BGR picture, uint8 of shape (height, width, 3); raises BadInput when it cannot be
    decoded.
    """
    image = cv2.imdecode(
        np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if image is None:
        raise BadInput("frame", "a JPEG that cannot be decoded")
    return image.astype(np.uint8, copy=False)


def resized_jpeg(jpeg: bytes, width: int, height: int) -> bytes:
    """Returns a JPEG of another size, decoded and encoded again; raises BadInput when it cannot be
    decoded.
    """
    resized = cv2.resize(decode_bgr(jpeg), (width, height), interpolation=cv2.INTER_AREA)
    return encode_jpeg(resized.astype(np.uint8, copy=False))


def cropped_jpeg(jpeg: bytes, box: Box) -> bytes:
    """Returns a part of a picture, with a margin of a tenth of its width and a quarter of its
    height, as a JPEG. Raises BadInput where nothing of the box is inside.
    """
    image = decode_bgr(jpeg)
    height, width = image.shape[:2]
    across, down = box.width // 10, box.height // 4
    left, right = max(0, box.x - across), min(width, box.x + box.width + across)
    top, bottom = max(0, box.y - down), min(height, box.y + box.height + down)
    if right - left < 2 or bottom - top < 2:  # noqa: PLR2004 - nothing that somebody could see
        raise BadInput("bbox", "lies outside the picture")
    return encode_jpeg(np.ascontiguousarray(image[top:bottom, left:right]), 90)


def _small(width: int, height: int, aspect: tuple[int, int]) -> tuple[int, int]:
    """Returns the size of a thumbnail with square pixels, as the picture is shown."""
    shown = width * aspect[0] / aspect[1]
    small = min(THUMBNAIL_WIDTH, width)
    return small, max(1, round(height * small / shown))


def thumbnail_of(frame: VideoFrame, aspect: tuple[int, int] = (1, 1)) -> bytes:
    """Returns a small JPEG of a decoded picture whose pixels have this shape."""
    width, height = _small(frame.width, frame.height, aspect)
    small = Pixels(width, height, "bgr24", full=True).fit(frame)
    return encode_jpeg(small.to_ndarray().astype(np.uint8, copy=False), THUMBNAIL_QUALITY)


def thumbnail(jpeg: bytes) -> bytes:
    """Returns a small JPEG of a picture, decoded no larger than needed."""
    info = check_jpeg(jpeg)
    size = _small(info.width, info.height, pixel_aspect(jpeg))
    decoder = JpegDecoder(Pixels(*size, "bgr24", full=True))
    return encode_jpeg(
        decoder.decode(jpeg).to_ndarray().astype(np.uint8, copy=False), THUMBNAIL_QUALITY
    )
