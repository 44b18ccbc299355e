"""Tiles: of decoded frames onto a part's sheet, of sheets onto a clip's strip.

Nothing that goes wrong here is worth a part or a clip: it is logged, and there is no picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import av.error
import cv2
import numpy as np
import structlog
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from shared.adapters.video.jpeg import JpegDecoder, decode_bgr, encode_jpeg, planes_jpeg
from shared.adapters.video.pixels import Pixels, jpeg_planes
from shared.domain.errors import BadInput, Permanent
from shared.domain.strips import (
    COLUMNS,
    MOST_TILES,
    MOST_TILES_OF_A_SHEET,
    TILE_MS,
    PlacedSheet,
    Sheet,
    Strip,
    thinned,
    tile_size,
)

SHEET_QUALITY, STRIP_QUALITY = 85, 70
FAULTS = (Permanent, av.error.FFmpegError, cv2.error, ValueError, MemoryError)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Tiles:
    """Collects the tiles of one part: the first frame of each half second after its start.

    size, aspect: of the frames, and of their pixels.
    """

    def __init__(self, size: tuple[int, int], aspect: tuple[int, int], base_ms: int) -> None:
        self._size, self._base_ms = tile_size(*size, aspect), base_ms
        self._pixels = Pixels(*self._size, "yuvj420p", full=True)
        self._decoder = JpegDecoder(self._pixels)
        self._slot: int | None = None
        self._planes: list[tuple[NDArray[np.uint8], ...]] = []
        self._times: list[int] = []

    def wants(self, shown_ms: int) -> bool:
        """Returns whether the frame shown at this time is the first of its half second."""
        return (shown_ms - self._base_ms) // TILE_MS != self._slot

    def add(self, picture: VideoFrame | bytes, shown_ms: int) -> None:
        """Take a frame, or a JPEG, which is decoded no larger than needed."""
        self._slot = (shown_ms - self._base_ms) // TILE_MS
        try:
            frame = (
                self._decoder.decode(picture)
                if isinstance(picture, bytes)
                else self._pixels.fit(picture)
            )
            planes = jpeg_planes(frame)
            if planes is not None:
                self._planes.append(tuple(plane.copy() for plane in planes))
                self._times.append(shown_ms - self._base_ms)
        except FAULTS as error:
            _log.warning("tile_not_made", error=str(error))

    def sheet(self) -> tuple[Sheet, bytes] | None:
        """Returns the sheet and its JPEG, None where there is no tile."""
        if not self._planes:
            return None
        try:
            planes = thinned(self._planes, MOST_TILES_OF_A_SHEET)
            joined = [np.concatenate(each) for each in zip(*planes, strict=True)]
            jpeg = planes_jpeg((joined[0], joined[1], joined[2]), SHEET_QUALITY)
        except FAULTS as error:
            _log.warning("sheet_not_made", error=str(error))
            return None
        width, height = self._size
        times = tuple(thinned(self._times, MOST_TILES_OF_A_SHEET))
        return Sheet(
            tile_width=width, tile_height=height, times_ms=times, size_bytes=len(jpeg)
        ), jpeg


def strip_of(sheets: Sequence[PlacedSheet], duration_ms: int) -> tuple[Strip, bytes] | None:
    """Returns the strip of a clip that lasts so long, and its JPEG; None where it shows nothing.

    Sheets that cannot be read are left out.
    """
    if not sheets:
        return None
    width, height = sheets[0].sheet.tile_width, sheets[0].sheet.tile_height
    found = [
        (number, place, placed.start_ms + at_ms)
        for number, placed in enumerate(sheets)
        for place, at_ms in enumerate(placed.sheet.times_ms)
        if 0 <= placed.start_ms + at_ms < max(1, duration_ms)
    ]
    tiles: list[NDArray[np.uint8]] = []
    offsets: list[int] = []
    for number, wanted in groupby(thinned(found, MOST_TILES), key=itemgetter(0)):
        pictures = _cut(sheets[number])
        for _, place, offset_ms in wanted if pictures else ():
            tiles.append(_resized(pictures[place], width, height))
            offsets.append(offset_ms)
    if not tiles:
        return None
    columns = min(COLUMNS, len(tiles))
    try:
        jpeg = encode_jpeg(_grid(tiles, columns), STRIP_QUALITY)
    except FAULTS as error:
        _log.warning("strip_not_encoded", error=str(error))
        return None
    return Strip(
        tile_width=width, tile_height=height, columns=columns, offsets_ms=tuple(offsets)
    ), jpeg


def _cut(placed: PlacedSheet) -> list[NDArray[np.uint8]]:
    """Returns the tiles of a sheet; none where it is not what its part says."""
    sheet = placed.sheet
    try:
        image = decode_bgr(placed.jpeg)
        if image.shape[:2] != (sheet.tile_height * len(sheet.times_ms), sheet.tile_width):
            raise BadInput("sheet", "it has another size than its part says")
    except FAULTS as error:
        _log.warning("sheet_not_read", error=str(error))
        return []
    return np.split(image, len(sheet.times_ms))


def _resized(tile: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    if tile.shape[:2] == (height, width):
        return tile
    resized = cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA)
    return resized.astype(np.uint8, copy=False)


def _grid(tiles: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    grid = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = row * height, column * width
        grid[top : top + height, left : left + width] = tile
    return grid
