"""Reads a plate's text by comparing its letters with glyphs that are drawn at start.

No model, no download. Good for clean, frontal plates in the fonts it draws. Where it is unsure it
returns None.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.domain.media import Box

Image = NDArray[np.uint8]
ALPHABET = string.ascii_uppercase + string.digits
GLYPH_WIDTH, GLYPH_HEIGHT = 20, 32
SURE, MARGIN = 0.62, 0.02
SHORTEST, LONGEST = 4, 10
_FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


class PlateReader:
    """Glyph templates of a few fonts. `read` returns (text, confidence) of a cropped plate."""

    def __init__(self) -> None:
        glyphs = [
            (letter, _draw(letter, font, thick))
            for letter in ALPHABET
            for font in _FONTS
            for thick in (3, 5)
        ]
        self._letters = [letter for letter, _ in glyphs]
        self._templates = np.stack([_normalised(glyph) for _, glyph in glyphs])

    def read(self, plate: Image) -> tuple[str | None, float]:
        """Returns the text of a plate (BGR, shape (height, width, 3)) and how well its worst letter
        fits, 0 to 1.
        """
        letters = _split(plate)
        if not SHORTEST <= len(letters) <= LONGEST:
            return None, 0.0
        samples = np.stack([_normalised(letter) for letter in letters])
        scores = samples @ self._templates.T
        text, worst = "", 1.0
        for row in scores:
            best = int(row.argmax())
            rival = max(
                s
                for letter, s in zip(self._letters, row, strict=True)
                if letter != self._letters[best]
            )
            if row[best] < SURE or row[best] - rival < MARGIN:
                return None, float(row[best])
            text += self._letters[best]
            worst = min(worst, float(row[best]))
        return text, worst


def _draw(letter: str, font: int, thick: int) -> Image:
    canvas = np.zeros((120, 120), np.uint8)
    cv2.putText(
        canvas,
        letter,
        (20, 90),
        font,
        fontScale=2.4,
        color=(255,),
        thickness=thick,
        lineType=cv2.LINE_AA,
    )
    x, y, width, height = cv2.boundingRect(cv2.threshold(canvas, 127, 255, cv2.THRESH_BINARY)[1])
    return canvas[y : y + height, x : x + width]


def _normalised(glyph: Image) -> NDArray[np.float32]:
    """Returns a letter as a unit vector, with its own width in its box, so that I and O differ."""
    height, width = glyph.shape
    scale = GLYPH_HEIGHT / height
    wide = max(1, min(GLYPH_WIDTH, round(width * scale)))
    resized = cv2.resize(glyph, (wide, GLYPH_HEIGHT), interpolation=cv2.INTER_AREA)
    canvas = np.zeros((GLYPH_HEIGHT, GLYPH_WIDTH), np.float32)
    left = (GLYPH_WIDTH - wide) // 2
    canvas[:, left : left + wide] = resized
    blurred = cv2.GaussianBlur(canvas, (3, 3), 0).ravel()
    centred = blurred - blurred.mean()
    unit: NDArray[np.float32] = (centred / (np.linalg.norm(centred) + 1e-6)).astype(np.float32)
    return unit


def _split(plate: Image) -> Sequence[Image]:
    """Returns a plate's letters, left to right: dark shapes of about one height that do not touch
    its border. Returns nothing when a shape is too wide for one letter: letters that touch cannot
    be separated, and half a plate is worse than none.
    """
    grey = cv2.cvtColor(plate, cv2.COLOR_BGR2GRAY)
    factor = 96 / grey.shape[0]
    grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    _, ink = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink)
    found = []
    for label, row in enumerate(stats[1:], 1):
        box = Box(*(int(v) for v in row[:4]))
        inside = (
            box.x > 2
            and box.y > 2
            and box.x + box.width < ink.shape[1] - 2
            and box.y + box.height < 94
        )
        if inside and 30 <= box.height <= 82 and box.width >= 6:
            if box.width > box.height * 1.45:
                return []
            found.append((box, label))
    found.sort(key=lambda item: item[0].x)
    return [
        np.where(labels[b.y : b.y + b.height, b.x : b.x + b.width] == label, 255, 0).astype(
            np.uint8
        )
        for b, label in found
    ]
