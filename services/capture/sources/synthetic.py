"""Synthetic cameras: a street with vehicles that carry plates, and a picture that carries its own
number.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from math import ceil

import cv2
import numpy as np

from services.capture.sources.pace import Pace
from services.capture.sources.picture import Picture, number, options_of
from shared.adapters.video.jpeg import Image, encode_jpeg
from shared.domain.errors import BadInput
from shared.domain.ports import Clock
from shared.wire.frames import MAX_SIDE

_OPTIONS = {"fps", "size", "seed", "speed", "frames", "interval", "first", "quality", "since"}
_LETTERS = "".join(sorted(set(string.ascii_uppercase) - set("IOQ")))
PASS_SECONDS = 4.0
SMALLEST = 64
NUMBER_BITS, CHECK_BITS = 24, 8


class SyntheticSource:
    """`synthetic:?fps=15&size=1280x720&seed=1&interval=12&first=2` and
    `synthetic:numbered?…&speed=1&frames=0`. interval: seconds between vehicles. first: seconds
    before the first. frames: how many to make (0: no end), which a speed other than 1 needs. since:
    a moment (epoch seconds) from which pictures are numbered and stamped, so that a source that is
    opened again counts on as a real camera would.
    """

    def __init__(self, name: str, clock: Clock, jpeg_quality: int = 85) -> None:
        kind, options = options_of(name.removeprefix("synthetic:"), _OPTIONS)
        if kind not in {"", "street", "numbered"}:
            raise BadInput(
                "source",
                f"synthetic:{kind} is unknown; there are synthetic:street and synthetic:numbered",
            )
        self._fps = number(options=options, key="fps", default=15, least=0.1, most=120)
        self._frames = int(number(options=options, key="frames", default=0, least=0, most=1e9))
        speed = number(options=options, key="speed", default=1, least=0, most=1000)
        if speed != 1 and not self._frames:
            raise BadInput(
                "source", "a speed other than 1 needs frames: the source must end by now"
            )
        self._since = number(options=options, key="since", default=0, least=0, most=1e11)
        if self._since and speed != 1:
            raise BadInput("source", "since goes with speed 1 alone")
        self._clock = clock
        width, height = _size(options.get("size", "1280x720"))
        self._quality = int(
            number(options=options, key="quality", default=jpeg_quality, least=10, most=100)
        )
        seed = int(number(options=options, key="seed", default=1, least=0, most=1e9))
        interval = number(
            options=options, key="interval", default=12, least=PASS_SECONDS + 1, most=86_400
        )
        first = number(options=options, key="first", default=2, least=0, most=86_400)
        self._scene: _Numbered | _Street
        self._scene = (
            _Numbered(width, height)
            if kind == "numbered"
            else _Street(width=width, height=height, seed=seed, interval=interval, first=first)
        )
        self._pace = Pace(clock, speed, self._frames / self._fps if speed != 1 else None)

    def pictures(self) -> Iterator[Picture]:
        """Every number is made, however late."""
        self._pace.begin()
        first, late_s = self._first()
        count = 0
        while not self._frames or count < self._frames:
            at = count / self._fps + late_s
            captured_ms = self._pace.wait(at)
            if self._since:
                captured_ms = round((self._since + (first + count) / self._fps) * 1000)
            yield Picture(lambda n=first + count, t=at: self._jpeg(n, t), at, captured_ms)  # type: ignore[misc]
            count += 1

    def _first(self) -> tuple[int, float]:
        """Returns the number of the first picture, and in how many seconds it is due."""
        if not self._since:
            return 0, 0.0
        passed_s = self._clock.now_ms() / 1000 - self._since
        first = max(0, ceil(passed_s * self._fps))
        return first, first / self._fps - passed_s

    def _jpeg(self, count: int, at_s: float) -> bytes:
        return encode_jpeg(self._scene.draw(count, at_s), self._quality)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise BadInput("source", "size is written as 1280x720")
    if not (SMALLEST <= int(width) <= MAX_SIDE and SMALLEST <= int(height) <= MAX_SIDE):
        raise BadInput("source", f"size is outside {SMALLEST}x{SMALLEST} to {MAX_SIDE}x{MAX_SIDE}")
    return int(width), int(height)


def _backdrop(width: int, height: int, seed: int) -> Image:
    """A still street: sky, wall, road, and texture that does not move."""
    grain = np.random.default_rng(seed).integers(0, 24, (height, width, 1))
    image = np.zeros((height, width, 3), np.int64)
    image[: height // 2] = (178, 150, 120)
    image[height // 4 : height // 2] = (96, 104, 112)
    image[height // 2 :] = (72, 74, 78)
    image[height * 3 // 4 : height * 3 // 4 + max(2, height // 90)] = (190, 190, 190)
    return cv2.GaussianBlur((image + grain).clip(0, 255).astype(np.uint8), (3, 3), 0).astype(
        np.uint8
    )


class _Numbered:
    """Draws a picture's number as a row of black and white cells, with a checksum, beside something
    that moves.
    """

    def __init__(self, width: int, height: int) -> None:
        self._backdrop = _backdrop(width, height, 1)
        self._width, self._height = width, height

    def draw(self, count: int, _: float) -> Image:
        image = self._backdrop.copy()
        bits = f"{count % (1 << NUMBER_BITS):0{NUMBER_BITS}b}{checksum(count):0{CHECK_BITS}b}"
        cell, tall = self._width / len(bits), max(8, self._height // 10)
        for at, bit in enumerate(bits):
            left, right = round(at * cell), round((at + 1) * cell)
            image[:tall, left:right] = 235 if bit == "1" else 20
        x = count * 7 % self._width
        cv2.rectangle(
            image,
            (x, self._height // 2),
            (x + self._width // 8, self._height * 3 // 4),
            (40, 60, 200),
            -1,
        )
        cv2.putText(
            image,
            str(count),
            (8, self._height - 12),
            cv2.FONT_HERSHEY_SIMPLEX,
            fontScale=0.8,
            color=(255, 255, 255),
            thickness=2,
        )
        return image


def checksum(count: int) -> int:
    """Returns eight bits that a misread number does not match."""
    return (count % (1 << NUMBER_BITS)) * 2_654_435_761 >> 13 & 0xFF


class _Street:
    """A vehicle crosses every `interval` seconds, four seconds long; each has a plate of its
    own.
    """

    def __init__(self, width: int, height: int, seed: int, interval: float, first: float) -> None:
        self._backdrop = _backdrop(width, height, seed)
        self._width, self._height = width, height
        self._seed, self._interval, self._first = seed, interval, first
        self._sprites: dict[int, Image] = {}

    def draw(self, _: int, at_s: float) -> Image:
        image = self._backdrop.copy()
        vehicle, into = divmod(at_s - self._first, self._interval)
        if vehicle >= 0 and into < PASS_SECONDS:
            self._paste(image, self._sprite(int(vehicle)), into / PASS_SECONDS)
        return image

    def _paste(self, image: Image, sprite: Image, done: float) -> None:
        tall, wide = sprite.shape[:2]
        left = round(-wide + (self._width + wide) * done)
        top = self._height - tall - self._height // 12
        a, b = max(0, left), min(self._width, left + wide)
        if a < b:
            part = sprite[:, a - left : b - left]
            np.copyto(image[top : top + tall, a:b], part, where=part.any(axis=2, keepdims=True))

    def _sprite(self, vehicle: int) -> Image:
        if vehicle not in self._sprites:
            seed = f"{self._seed}:{vehicle}"
            chance = random.Random(seed)  # noqa: S311 - draws a picture, guards nothing
            self._sprites = {vehicle: _vehicle(self._width, self._height, chance)}
        return self._sprites[vehicle]


def _vehicle(width: int, height: int, chance: random.Random) -> Image:
    """Returns the back of a car; black lets the street show through."""
    wide, tall = width * 2 // 5, height * 2 // 5
    image = np.zeros((tall, wide, 3), np.uint8)
    paint = tuple(chance.randrange(30, 150) for _ in range(3))
    cv2.rectangle(image, (wide // 12, tall // 3), (wide * 11 // 12, tall * 9 // 10), paint, -1)
    cv2.rectangle(image, (wide // 5, tall // 20), (wide * 4 // 5, tall // 3), (90, 80, 70), -1)
    for x in (wide // 6, wide * 5 // 6):
        cv2.circle(image, (x, tall * 9 // 10), tall // 10, (20, 20, 20), -1)
        cv2.rectangle(
            image, (x - wide // 24, tall * 2 // 5), (x + wide // 24, tall // 2), (40, 40, 190), -1
        )
    letters = [chance.choice(_LETTERS) for _ in range(4)]
    text = f"{''.join(letters[:2])}{chance.randrange(1000):03d}{''.join(letters[2:])}"
    _plate(image, text, (wide // 2, tall * 2 // 3), round(wide * 0.42))
    return image


def _plate(image: Image, text: str, centre: tuple[int, int], wide: int) -> None:
    """Returns a white plate with dark letters, width to height 4.6 to 1."""
    tall = round(wide / 4.6)
    left, top = centre[0] - wide // 2, centre[1] - tall // 2
    cv2.rectangle(image, (left, top), (left + wide, top + tall), (238, 240, 240), -1)
    cv2.rectangle(image, (left, top), (left + wide, top + tall), (30, 30, 30), max(1, tall // 22))
    # A cell per letter: letters that touch are one shape to a reader.
    cell, thick = wide * 0.94 / len(text), max(1, tall // 16)
    for at, letter in enumerate(text):
        (across, high), _ = cv2.getTextSize(letter, cv2.FONT_HERSHEY_DUPLEX, 1.0, thick)
        scale = min(cell * 0.82 / across, tall * 0.6 / high)
        (across, high), _ = cv2.getTextSize(letter, cv2.FONT_HERSHEY_DUPLEX, scale, thick)
        x = round(left + wide * 0.03 + (at + 0.5) * cell - across / 2)
        cv2.putText(
            image,
            letter,
            (x, centre[1] + high // 2),
            cv2.FONT_HERSHEY_DUPLEX,
            fontScale=scale,
            color=(20, 20, 20),
            thickness=thick,
            lineType=cv2.LINE_AA,
        )
