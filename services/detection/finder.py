"""Finds plates with plain OpenCV: dark letters on a light, wide rectangle. OpenCV 4.10 to 5, no
data files.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.domain.media import Box

Image = NDArray[np.uint8]
WORK_WIDTH = 960
NARROWEST, WIDEST = 2.6, 6.5
LEAST_HEIGHT = 12


def find_plates(image: Image) -> Iterator[Box]:
    """Returns boxes of likely plates in a BGR picture of shape (height, width, 3), in its pixels.

    Black-hat (dark strokes on light ground), horizontal gradient, closing along the line of text,
    then shape.
    """
    factor = min(1.0, WORK_WIDTH / image.shape[1])
    small = (
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        if factor < 1
        else image
    )
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
    strokes = cv2.morphologyEx(
        grey, cv2.MORPH_BLACKHAT, cv2.getStructuringElement(cv2.MORPH_RECT, (21, 9))
    )
    gradient = cv2.convertScaleAbs(cv2.Sobel(strokes, cv2.CV_16S, 1, 0))
    _, edges = cv2.threshold(gradient, 70, 255, cv2.THRESH_BINARY)
    text = cv2.morphologyEx(
        edges, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_RECT, (25, 5))
    )
    text = cv2.morphologyEx(text, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, (7, 5)))
    contours, _ = cv2.findContours(text, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        x, y, width, height = cv2.boundingRect(contour)
        if height < LEAST_HEIGHT or not NARROWEST <= width / height <= WIDEST * 1.6:
            continue
        plate = _ground(grey=grey, x=x, y=y, width=width, height=height)
        if plate is not None:
            yield Box(
                *(round(side / factor) for side in (plate.x, plate.y, plate.width, plate.height))
            )


def _ground(grey: Image, x: int, y: int, width: int, height: int) -> Box | None:
    """Returns the light rectangle that the text stands on, if it is one."""
    grow_x, grow_y = round(width * 0.25), round(height * 1.0)
    left, top = max(0, x - grow_x), max(0, y - grow_y)
    area = grey[top : y + height + grow_y, left : x + width + grow_x]
    _, light = cv2.threshold(area, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    light = cv2.morphologyEx(
        light, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_RECT, (9, 9))
    )
    contours, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    centre = (float(x - left + width / 2), float(y - top + height / 2))
    for contour in sorted(contours, key=cv2.contourArea, reverse=True):
        a, b, wide, tall = cv2.boundingRect(contour)
        filled = cv2.contourArea(contour) / max(1, wide * tall)
        if cv2.pointPolygonTest(contour, centre, measureDist=False) < 0:
            continue
        if (
            filled > 0.75
            and NARROWEST <= wide / tall <= WIDEST
            and wide < area.shape[1]
            and tall < area.shape[0]
        ):
            return Box(left + a, top + b, wide, tall)
    return None
