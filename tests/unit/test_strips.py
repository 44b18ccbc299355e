"""Sheets of parts and strips of clips: every tile shows the frame of its time, and nothing that is
wrong with one costs footage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from shared.adapters.video import strips as strips_module
from shared.adapters.video.av_video import AvVideo
from shared.adapters.video.strips import strip_of
from shared.domain.codec import CODED, Codec
from shared.domain.errors import BadInput
from shared.domain.parts import EncodedPart, Piece
from shared.domain.policy import RecordingPolicy
from shared.domain.strips import PlacedSheet, Strip, thinned, tile_size
from tests.support.h264 import FPS, as_frames, coded
from tests.support.numbers import number_of_jpeg, read_number
from tests.support.pictures import numbered_jpeg

START_MS = 1_700_000_000_000
EVERY_MS = 100
FRAMES_A_PART = 25  # two seconds and a half


def encoded(
    codec: Codec, parts: int, *, sheet: bool = True, size: tuple[int, int] = (320, 180)
) -> list[EncodedPart]:
    video, policy = AvVideo(), RecordingPolicy(codec=codec, fps=10, color_range="limited")
    made = []
    for part in range(parts):
        numbers = range(part * FRAMES_A_PART, (part + 1) * FRAMES_A_PART)
        form = video.form(numbered_jpeg(0, *size), policy)
        start_ms = START_MS + numbers[0] * EVERY_MS
        encoder = video.encoder(policy, form, start_ms, sheet=sheet)
        for number in numbers:
            encoder.add(numbered_jpeg(number, *size), START_MS + number * EVERY_MS)
        made.append(encoder.finish())
    return made


def placed(
    parts: Sequence[EncodedPart], every_ms: int = FRAMES_A_PART * EVERY_MS
) -> list[PlacedSheet]:
    return [
        PlacedSheet(sheet=part.sheet[0], jpeg=part.sheet[1], start_ms=number * every_ms)
        for number, part in enumerate(parts)
        if part.sheet is not None
    ]


def tiles(strip: Strip, jpeg: bytes) -> list[NDArray[np.uint8]]:
    """What stands on a strip, cut out again."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    rows = -(-len(strip.offsets_ms) // strip.columns)
    assert image.shape == (rows * strip.tile_height, strip.columns * strip.tile_width)
    found = []
    for number in range(len(strip.offsets_ms)):
        row, column = divmod(number, strip.columns)
        top, left = row * strip.tile_height, column * strip.tile_width
        tile = image[top : top + strip.tile_height, left : left + strip.tile_width]
        found.append(np.ascontiguousarray(tile, np.uint8))
    return found


@pytest.mark.parametrize("codec", CODED)
def test_each_tile_is_of_the_frame_of_its_time(codec: Codec) -> None:
    made = strip_of(placed(encoded(codec, 5)), 12_500)
    assert made is not None
    strip, jpeg = made
    assert (strip.tile_width, strip.tile_height, strip.columns) == (160, 90, 20)
    assert strip.offsets_ms == tuple(range(0, 12_500, 500))
    shown = [read_number(tile) for tile in tiles(strip, jpeg)]
    assert shown == [offset // EVERY_MS for offset in strip.offsets_ms]


def test_a_copied_part_has_its_keyframes_half_a_second_apart() -> None:
    for gop, expected in (
        (5, [0, 10, 20, 30, 40, 50]),
        (40, [0, 40]),
        (9, [0, 9, 18, 27, 36, 45, 54]),
    ):
        frames = as_frames(coded(range(60), gop), START_MS)
        copier = AvVideo().copier(START_MS, sheet=True)
        for frame in frames:
            copier.add(frame)
        made = strip_of(placed([copier.finish()]), 4_000)
        assert made is not None
        strip, jpeg = made
        assert [read_number(tile) for tile in tiles(strip, jpeg)] == expected
        assert strip.offsets_ms == tuple(round(number * 1000 / FPS) for number in expected)
        assert all(after - before >= 500 for before, after in pairwise(strip.offsets_ms))


def test_what_leads_to_a_copied_part_is_not_on_its_sheet() -> None:
    """It is shown by the part before."""
    copier = AvVideo().copier(START_MS + 1000, sheet=True)
    for frame in as_frames(coded(range(60), 30), START_MS):
        copier.add(frame)
    part = copier.finish()
    assert part.sheet is not None
    assert part.sheet[0].times_ms == (1000,)
    assert number_of_jpeg(part.sheet[1]) == 30


def test_packets_are_the_same_with_a_sheet_and_without(tmp_path: Path) -> None:
    """And a clip is the same with what stands behind the packets."""
    video, policy = AvVideo(), RecordingPolicy(fps=10, color_range="limited")
    (with_sheet,), (without,) = encoded(Codec.H264, 1), encoded(Codec.H264, 1, sheet=False)
    assert (with_sheet.data, with_sheet.index) == (without.data, without.index)
    assert without.sheet is None
    assert with_sheet.sheet is not None
    stored = with_sheet.data + with_sheet.sheet[1]
    file = tmp_path / "part"
    file.write_bytes(stored)
    clips = []
    given: tuple[bytes | Path, ...] = (without.data, stored, file)
    for number, data in enumerate(given):
        path = tmp_path / f"{number}.mp4"
        video.join(
            path=path,
            pieces=[Piece(START_MS, data, without.index)],
            span_ms=(START_MS, START_MS + 2500),
            policy=policy,
            form=video.form(numbered_jpeg(0), policy),
        )
        clips.append(path.read_bytes())
    assert clips[0] == clips[1] == clips[2]


def test_a_long_clip_has_a_picture_that_browsers_take() -> None:
    """An hour: 600 tiles, at even distances."""
    (part,) = encoded(Codec.MJPEG, 1)
    assert part.sheet is not None
    assert len(part.sheet[0].times_ms) == 5
    made = strip_of(placed([part] * 1440), 3_600_000)
    assert made is not None
    strip, jpeg = made
    assert (len(tiles(strip, jpeg)), strip.columns) == (600, 20)
    distances = {after - before for before, after in pairwise(strip.offsets_ms)}
    assert (min(distances), max(distances)) == (6000, 6000)


@pytest.mark.parametrize(
    ("picture", "aspect", "size"),
    [
        ((1280, 720), (1, 1), (160, 90)),
        ((704, 576), (16, 11), (160, 90)),  # PAL, shown as 16:9
        ((640, 480), (1, 1), (160, 120)),
        ((1080, 1920), (1, 1), (160, 284)),
        ((720, 2880), (1, 1), (80, 320)),
        ((100, 60), (1, 1), (100, 60)),
        ((4000, 10), (1, 1), (160, 2)),
    ],
)
def test_a_tile_has_the_shape_that_is_shown(
    picture: tuple[int, int], aspect: tuple[int, int], size: tuple[int, int]
) -> None:
    assert tile_size(*picture, aspect) == size


def test_thinning_keeps_order_and_distance() -> None:
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert thinned([], 5) == []


def test_a_damaged_sheet_costs_its_own_tiles() -> None:
    sheets = placed(encoded(Codec.H264, 3))
    sheets[1] = replace(sheets[1], jpeg=sheets[1].jpeg[:100])
    sheets[2] = replace(sheets[2], jpeg=numbered_jpeg(7))  # another picture
    with capture_logs() as logs:
        made = strip_of(sheets, 7_500)
    assert made is not None
    assert made[0].offsets_ms == (0, 500, 1000, 1500, 2000)
    assert [line["event"] for line in logs] == ["sheet_not_read", "sheet_not_read"]
    assert strip_of([], 1000) is None
    assert strip_of(sheets[1:2], 7_500) is None


@pytest.mark.parametrize("codec", [Codec.H264, Codec.MJPEG])
def test_a_sheet_that_cannot_be_made_costs_no_packet(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise BadInput("frame", "no")

    (good,) = encoded(codec, 1)
    monkeypatch.setattr(strips_module, "planes_jpeg", refuse)
    with capture_logs() as logs:
        (bad,) = encoded(codec, 1)
    assert bad.sheet is None
    assert (bad.data, bad.index) == (good.data, good.index)
    assert "sheet_not_made" in {line["event"] for line in logs}
