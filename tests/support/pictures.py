"""Pictures for tests, drawn without the product's own cameras."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

BITS = 32


def numbered_picture(number: int, width: int = 320, height: int = 180) -> NDArray[np.uint8]:
    """A BGR picture with `number` as 24 cells and a checksum of 8, as tests.support.numbers reads
    it.
    """
    image = np.full((height, width, 3), 100, np.uint8)
    check = number * 2_654_435_761 >> 13 & 0xFF
    for at, bit in enumerate(f"{number:024b}{check:08b}"):
        left, right = round(at * width / BITS), round((at + 1) * width / BITS)
        image[: height // 10, left:right] = 235 if bit == "1" else 20
    return image


@lru_cache(maxsize=2000)
def numbered_jpeg(number: int, width: int = 320, height: int = 180) -> bytes:
    """The same as JPEG."""
    ok, data = cv2.imencode(".jpg", numbered_picture(number, width, height))
    assert ok
    return data.tobytes()
