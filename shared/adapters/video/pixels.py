"""Brings decoded pictures to the encoder's size, pixel format and range, as cheaply as each case
allows.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Samples = NDArray[np.uint8]
BT601 = 5
FULL, LIMITED = 2, 1
_SMPTE170M, _BT709, _UNSPECIFIED = 6, 1, 2
# Both names are BT.601; a picture without a tag is taken for it, by swscale too.
_AS_IN_JPEG = {BT601, _SMPTE170M, _UNSPECIFIED}
_FULL_420, _420 = "yuvj420p", "yuv420p"
# ITU-R BT.601: luma 16-235, chroma 16-240 about 128.
_LUMA, _CHROMA = 219 / 255, 224 / 255
_BLACK = 16
_of_thread = threading.local()


def tag_colours(context: VideoCodecContext, *, full: bool) -> None:
    """Tell players what the samples are: matrix BT.601 as in JPEG, the rest BT.709, full or limited
    range.
    """
    context.colorspace, context.color_primaries, context.color_trc = _SMPTE170M, _BT709, _BT709
    context.color_range = FULL if full else LIMITED


@dataclass(slots=True)
class Pixels:
    """What an encoder takes: size in pixels, pixel format, full or limited range (matrix BT.601, as
    JPEG has it).
    """

    width: int
    height: int
    pix_fmt: str
    full: bool
    _reformatter: VideoReformatter = field(default_factory=VideoReformatter)

    def fit(self, frame: VideoFrame) -> VideoFrame:
        """Returns the picture as the encoder takes it; the same object where nothing must
        change.
        """
        same_size = (frame.width, frame.height) == (self.width, self.height)
        given = frame.format.name
        if (
            same_size
            and given == self.pix_fmt
            and (given == _FULL_420 or _is_full(frame) == self.full)
        ):
            return frame
        if same_size and given == _FULL_420 and self.pix_fmt == _420:
            return _relabelled(frame) if self.full else _squeezed(frame)
        return self._reformatter.reformat(
            frame,
            self.width,
            self.height,
            self.pix_fmt,
            src_colorspace=BT601,
            dst_colorspace=BT601,
            src_color_range=FULL if _is_full(frame) else LIMITED,
            dst_color_range=FULL if self.full else LIMITED,
        )


def _is_full(frame: VideoFrame) -> bool:
    return frame.format.name.startswith(("yuvj", "bgr", "gray")) or int(frame.color_range) == FULL


def jpeg_planes(frame: VideoFrame) -> tuple[Samples, Samples, Samples] | None:
    """Returns the planes that a 4:2:0 JPEG of the picture has: full range, BT.601.

    They are the picture's own, or valid until this thread's next call. None where they are not to
    be had without RGB in less time than with it: other formats and matrices.
    """
    if frame.format.name not in {_420, _FULL_420} or int(frame.colorspace) not in _AS_IN_JPEG:
        return None
    if any(plane.line_size < plane.width for plane in frame.planes):
        return None  # stored from the last line to the first
    luma, blue, red = (_samples(plane) for plane in frame.planes)
    return (luma, blue, red) if _is_full(frame) else _stretched(luma, blue, red)


def _stretched(luma: Samples, blue: Samples, red: Samples) -> tuple[Samples, Samples, Samples]:
    """Returns full range of limited range, rounded. What lies outside its limits becomes 0 or
    255.
    """
    made: tuple[Samples, Samples, Samples] | None = getattr(_of_thread, "planes", None)
    # new memory for each picture costs as much again: the kernel clears every page of it
    if made is None or (made[0].shape, made[1].shape) != (luma.shape, blue.shape):
        made = _of_thread.planes = tuple(np.empty_like(each) for each in (luma, blue, red))
    for source, target, scale in zip(
        (luma, blue, red), made, (_LUMA, _CHROMA, _CHROMA), strict=True
    ):
        # It saturates: what is below black would be mirrored. np.maximum takes eight times as long.
        cv2.subtract(source, _BLACK, target)  # type: ignore[call-overload]
        cv2.convertScaleAbs(target, target, 1 / scale, 0.0 if target is made[0] else 0.5)
    return made


def _samples(plane: VideoPlane) -> Samples:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
        :, : plane.width
    ]


def _relabelled(frame: VideoFrame) -> VideoFrame:
    """Returns the same samples under the format name of encoders that learn full range from a
    tag.
    """
    made = VideoFrame(frame.width, frame.height, _420)
    for source, target in zip(frame.planes, made.planes, strict=True):
        np.copyto(_samples(target), _samples(source))
    return made


def _squeezed(frame: VideoFrame) -> VideoFrame:
    """Returns limited range of full range, rounded: a quarter of swscale's time for it."""
    made = VideoFrame(frame.width, frame.height, _420)
    for number, (source, target) in enumerate(zip(frame.planes, made.planes, strict=True)):
        if number == 0:
            cv2.convertScaleAbs(_samples(source), _samples(target), _LUMA, 16)
        else:
            cv2.convertScaleAbs(_samples(source), _samples(target), _CHROMA, 128 * (1 - _CHROMA))
    return made
