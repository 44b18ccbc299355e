"""The footage of all benchmarks: a still, textured street with textured things that move, and a
sensor's noise.

A 720p picture at JPEG quality 85 has about 130 kB, as one of a real street camera has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

NOISE, JPEG_QUALITY = 1.5, 85
_OCTAVES = (64, 32, 16, 8, 4, 2)
_GRAINS, _THINGS = 8, 5

Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Thing:
    picture: Picture
    x: float
    y: float
    speed: float
    phase: float


def jpegs(width: int, height: int, count: int, seed: int = 7) -> list[bytes]:
    """`count` frames as JPEG; the same for the same arguments."""
    made = []
    for picture in pictures(width, height, count, seed):
        ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not ok:
            raise RuntimeError("OpenCV cannot write JPEG")
        made.append(data.tobytes())
    return made


def pictures(width: int, height: int, count: int, seed: int = 7) -> Iterator[NDArray[np.uint8]]:
    """BGR pictures, uint8 of shape (height, width, 3)."""
    chance = np.random.default_rng(seed)
    street = (_texture(chance, width, height, 22) + 110).clip(0, 255)
    grains = [
        chance.normal(0, NOISE, (height, width, 3)).astype(np.float32) for _ in range(_GRAINS)
    ]
    things = [_thing(chance, number, width, height) for number in range(_THINGS)]
    for number in range(count):
        picture = street.copy()
        for thing in things:
            _paste(picture, thing, number)
        shift = (int(chance.integers(height)), int(chance.integers(width)))
        grain = np.roll(grains[number % _GRAINS], shift, (0, 1))
        yield (picture + grain).clip(0, 255).astype(np.uint8)


def _texture(chance: np.random.Generator, width: int, height: int, contrast: float) -> Picture:
    total = np.zeros((height, width, 3), np.float32)
    for octave in _OCTAVES:
        shape = (max(2, height // octave + 2), max(2, width // octave + 2), 3)
        small = chance.normal(0, 1, shape).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) * octave**0.6
    scaled: Picture = (total / total.std() * contrast).astype(np.float32)
    return scaled


def _thing(chance: np.random.Generator, number: int, width: int, height: int) -> _Thing:
    body = _texture(chance, width // 6, height // 5, 30) + chance.uniform(60, 190, 3)
    way = 1 if number % 2 else -1
    return _Thing(
        picture=body.clip(0, 255).astype(np.float32),
        x=chance.uniform(0, width),
        y=height * (0.15 + 0.16 * number),
        speed=way * chance.uniform(3, 9) * width / 1280,
        phase=chance.uniform(0, 6),
    )


def _paste(picture: Picture, thing: _Thing, number: int) -> None:
    """At a place between pixels, a little larger or smaller each time: what a codec meets on a
    street.
    """
    height, width = picture.shape[:2]
    size = 1 + 0.08 * np.sin(number / 25 + thing.phase)
    left = (thing.x + thing.speed * number) % (
        width + thing.picture.shape[1]
    ) - thing.picture.shape[1]
    top = thing.y + 3 * np.sin(number / 9 + thing.phase)
    place = np.array([[size, 0, left], [0, size, top]], np.float32)
    cv2.warpAffine(
        thing.picture,
        place,
        (width, height),
        dst=picture,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
