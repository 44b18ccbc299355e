"""Reads the number that a numbered camera drew into its picture. Shares no code with what drew
it.
"""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

BITS = 32


def read_number(grey: NDArray[np.uint8]) -> int | None:
    """The number in a luminance picture of shape (height, width); None when its checksum does not
    match.
    """
    height, width = grey.shape
    rows = grey[height // 40 : height // 14]
    cell = width / BITS
    bits = 0
    for at in range(BITS):
        left, right = round(at * cell + cell * 0.3), round(at * cell + cell * 0.7)
        bits = bits << 1 | int(rows[:, left:right].mean() > 128)
    number, check = bits >> 8, bits & 0xFF
    return number if number * 2_654_435_761 >> 13 & 0xFF == check else None


def number_of_jpeg(jpeg: bytes) -> int | None:
    """The number in a JPEG."""
    grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    return read_number(grey.astype(np.uint8))


def numbers_of_clip(path: Path) -> tuple[list[int | None], list[float]]:
    """Numbers and presentation times (seconds) of every frame of a clip, in order."""
    numbers: list[int | None] = []
    times: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = np.frombuffer(bytes(frame.planes[0]), np.uint8).reshape(
                -1, frame.planes[0].line_size
            )
            numbers.append(read_number(plane[: frame.height, : frame.width]))
            times.append(float(frame.time or 0.0))
    return numbers, times


def boxes(path: Path) -> list[str]:
    """Names of an MP4's outermost boxes, in order."""
    data = path.read_bytes()
    names, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        names.append(data[at + 4 : at + 8].decode("latin-1"))
        at += size or len(data)
    return names
