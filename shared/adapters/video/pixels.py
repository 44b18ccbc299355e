"""Brings decoded pictures to the encoder's size, pixel format and range, as cheaply as each case
allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

BT601 = 5
FULL, LIMITED = 2, 1
_SMPTE170M, _BT709 = 6, 1
_FULL_420, _420 = "yuvj420p", "yuv420p"
# ITU-R BT.601: luma 16-235, chroma 16-240 about 128.
_LUMA, _CHROMA = 219 / 255, 224 / 255


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


def _samples(plane: VideoPlane) -> NDArray[np.uint8]:
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
