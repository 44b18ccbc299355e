"""Draws on decoded pictures (4:2:0), plane by plane: no picture is turned into RGB and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from shared.domain.media import Box

Samples = NDArray[np.uint8]
_CELLS = (4, 2)  # of a blurred box, across and down: no character is left in so few
_GREEN = (150, 44, 21)
_NEUTRAL = 128
_FONT, _WEIGHT = "sans", 600
_LEAST_TEXT, _LINES = 12, 36  # pixels; a text is this part of the picture's height


class Canvas:
    """A picture to draw on. Boxes may reach over its edge."""

    def __init__(self, frame: VideoFrame, *, full: bool) -> None:
        self._width, self._height = frame.width, frame.height
        self._planes = [
            np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
                :, : plane.width
            ]
            for plane in frame.planes
        ]
        self._black, self._white = (0, 255) if full else (16, 235)
        self._text = max(_LEAST_TEXT, self._height // _LINES)

    def hide(self, box: Box) -> None:
        """Blur what is in the box, for good: a few means are left of it."""
        left, top, right, bottom = self._inside(box)
        if right <= left or bottom <= top:
            return
        for number, plane in enumerate(self._planes):
            half = 2 if number else 1
            region = plane[top // half : bottom // half, left // half : right // half]
            height, width = region.shape
            cells = cv2.resize(
                region,
                (min(_CELLS[0], width), min(_CELLS[1], height)),
                interpolation=cv2.INTER_AREA,
            )
            coarse = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
            region[:] = cv2.blur(coarse, (max(1, width // 6), max(1, height // 4)))

    def mark(self, box: Box, label: str) -> None:
        """Draw the box's outline, and its label above it (below where there is no room)."""
        line = max(2, self._height // 360 * 2)
        left, top, right, bottom = self._inside(
            Box(box.x - line, box.y - line, box.width + 2 * line, box.height + 2 * line)
        )
        for stretch in (
            (left, top, right, min(bottom, top + line)),
            (left, max(top, bottom - line), right, bottom),
            (left, top, min(right, left + line), bottom),
            (max(left, right - line), top, right, bottom),
        ):
            self._fill(*stretch, _GREEN)
        above = top - self._row_height
        self._write(label, left, above if above >= 0 else bottom)

    def write(self, lines: Sequence[str]) -> None:
        """Write lines of text at the bottom of the picture."""
        for number, line in enumerate(reversed(lines), start=1):
            self._write(line, 0, self._height - number * self._row_height)

    @property
    def _row_height(self) -> int:
        return (self._text * 3 // 2 + 1) & ~1

    def _write(self, text: str, left: int, top: int) -> None:
        written = _written(text, self._text, self._row_height)
        height, width = written.shape
        left = max(0, min(left & ~1, (self._width - width) & ~1))
        top = max(0, min(top & ~1, (self._height - height) & ~1))
        luma = self._planes[0][top : top + height, left : left + width]
        height, width = luma.shape
        ink = written[:height, :width].astype(np.uint16)
        luma[:] = self._black + ink * (self._white - self._black) // 255
        for plane in self._planes[1:]:
            plane[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2] = _NEUTRAL

    def _fill(
        self, left: int, top: int, right: int, bottom: int, colour: tuple[int, int, int]
    ) -> None:
        for number, (plane, value) in enumerate(zip(self._planes, colour, strict=True)):
            half = 2 if number else 1
            plane[top // half : bottom // half, left // half : right // half] = value

    def _inside(self, box: Box) -> tuple[int, int, int, int]:
        """Returns the box's edges within the picture, at even places: chroma has half of them."""
        left, top = max(0, box.x) & ~1, max(0, box.y) & ~1
        right = min(self._width, (box.x + box.width + 1) & ~1)
        bottom = min(self._height, (box.y + box.height + 1) & ~1)
        return left, top, right, bottom


@lru_cache(maxsize=64)
def _written(text: str, size: int, height: int) -> Samples:
    """Returns a text, white on black, of an even width."""
    font = cv2.FontFace(_FONT)
    _, _, width, _ = cv2.getTextSize((1, 1), text, (0, 0), font, size, _WEIGHT)
    image = np.zeros((height, (width + size) & ~1), np.uint8)
    cv2.putText(image, text, (size // 2, height - size * 2 // 5), (255,), font, size, _WEIGHT)
    return image
