"""Small pictures of what a clip shows, for a person who looks for a moment in it.

A part has them on one JPEG, its sheet; a clip has them on one JPEG, its strip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

TILE_WIDTH, MOST_TILE_HEIGHT = 160, 320
TILE_MS = 500
COLUMNS = 20
MOST_TILES = 600  # with the columns, a strip is at most 3,200 x 9,600 pixels
MOST_TILES_OF_A_SHEET = 200  # a JPEG has at most 65,500 pixels a side
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is known of a part's sheet: the size of a tile, when each is shown (ms after the part's
    start), and the bytes of the JPEG, on which the tiles stand one below the other.
    """

    tile_width: int
    tile_height: int
    times_ms: tuple[int, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """What is known of a clip's strip: the size of a tile, how many stand in a row, and when each
    is shown (ms after the clip's first frame), row by row.
    """

    tile_width: int
    tile_height: int
    columns: int
    offsets_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSheet:
    """A sheet with its JPEG. start_ms: of its part, after the clip's first frame; may be
    negative.
    """

    sheet: Sheet
    jpeg: bytes
    start_ms: int


def tile_size(width: int, height: int, aspect: tuple[int, int]) -> tuple[int, int]:
    """Returns the size of a tile in square pixels, both sides even: 160 wide or, where that would
    be too high, narrower.

    width, height: of the picture, whose pixels have this shape.
    """
    shown = width * aspect[0] / aspect[1]
    factor = min(1.0, TILE_WIDTH / shown, MOST_TILE_HEIGHT / height)
    return _even(shown * factor), _even(height * factor)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


def thinned(items: Sequence[T], most: int) -> list[T]:
    """Returns at most so many of the items, at even distances."""
    if len(items) <= most:
        return list(items)
    return [items[number * len(items) // most] for number in range(most)]
