"""Changed copies of clips: what is drawn and blurred where, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import av
import cv2
import numpy as np
import pytest

from shared.adapters.video.av_video import AvVideo
from shared.domain.codec import Codec
from shared.domain.errors import Conflict
from shared.domain.media import Box
from shared.domain.parts import Piece
from shared.domain.policy import RecordingPolicy
from shared.domain.rendition import (
    BLUR_HOLD_MS,
    MARK_HOLD_MS,
    BurntTime,
    Placed,
    Rendition,
    Track,
    frame_scale,
    placed,
    track,
)
from tests.support.clips import START_MS, Picture, clip_file, frames_of, jittered, scene
from tests.support.h264 import as_frames, coded
from tests.support.numbers import numbers_of_clip

TIMES = jittered(30)
OURS, THEIRS = "AB123CD", "XY98ZW"
ZONE = ZoneInfo("Europe/Berlin")


def way(*boxes: tuple[int, int, int], label: str = THEIRS) -> Track:
    """A track of 80x24 boxes: at ms, x, y."""
    return track(label, [Placed(at, Box(x, y, 80, 24)) for at, x, y in boxes])


def made(tmp_path: Path, source: Path, *wanted: Rendition) -> list[Path]:
    with source.open("rb") as file:
        AvVideo().render(file, wanted, tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        {source.name, *(each.name for each in wanted)}
    )
    return [tmp_path / each.name for each in wanted]


def differs(one: Picture, other: Picture, box: Box) -> float:
    """How far two pictures differ within a box, as mean of 0 to 255."""
    region = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
    return float(np.abs(one[region].astype(int) - other[region].astype(int)).mean())


@pytest.mark.parametrize("codec", [each for each in Codec if each != Codec.COPY])
def test_frames_keep_their_times(tmp_path: Path, codec: Codec) -> None:
    source = tmp_path / "clip.mp4"
    clip_file(
        source,
        [scene(n) for n in range(30)],
        TIMES,
        RecordingPolicy(codec=codec, encoder="software"),
    )
    (path,) = made(
        tmp_path, source, Rendition(name="overlay.mp4", time=BurntTime(START_MS, ZoneInfo("UTC")))
    )
    numbers, times = numbers_of_clip(path)
    assert numbers == list(range(30))
    assert [round(at * 1000) for at in times] == TIMES
    assert numbers_of_clip(source)[1] == times
    with av.open(str(source)) as before, av.open(str(path)) as after:
        assert after.streams.video[0].codec_context.name == "h264"
        lasted = [each.streams.video[0].duration for each in (before, after)]
        assert lasted[0] == lasted[1]


def test_marks_are_at_their_reads_and_nowhere_else(tmp_path: Path) -> None:
    """Between near reads the box moves; a moment after the last it is gone; the rest is as it
    was.
    """
    source = tmp_path / "clip.mp4"
    clip_file(source, [scene(n) for n in range(30)], TIMES)
    mark = way((800, 40, 60), (1000, 100, 60))
    time = BurntTime(START_MS, ZONE)
    (path,) = made(tmp_path, source, Rendition(name="overlay.mp4", marked=[mark], time=time))
    pictures, times = frames_of(path)
    for before, after, at in zip(frames_of(source)[0], pictures, times, strict=True):
        near = 800 - MARK_HOLD_MS <= at <= 1000 + MARK_HOLD_MS
        x = round(np.interp(at, [800, 1000], [40, 100]))
        edge = Box(x + 4, 58, 72, 2)
        assert (differs(before, after, edge) > 30) is near, at
        assert differs(before, after, Box(0, 20, 320, 20)) < 6
        assert differs(before, after, Box(200, 60, 100, 60)) < 6
        assert differs(before, after, Box(0, 140, 150, 38)) > 20  # the times
    assert differs(pictures[0], pictures[9], Box(0, 140, 320, 38)) > 0.5  # which go on


def test_a_blurred_plate_cannot_be_found_again(tmp_path: Path) -> None:
    """It moves, and is read three times in a second. What is elsewhere stays, another plate too."""
    source = tmp_path / "clip.mp4"
    xs = [round(20 + at * 0.05) for at in TIMES]
    clip_file(
        source,
        [scene(n, (THEIRS, x, 50), (OURS, 200, 110)) for n, x in enumerate(xs)],
        TIMES,
    )
    read = [way(*((at, round(20 + at * 0.05), 50) for at in (300, 900, 1500)))]
    (path,) = made(tmp_path, source, Rendition(name="redacted.mp4", hidden=read))
    pictures = frames_of(path)[0]
    template = scene(0, (THEIRS, 20, 50))[50:74, 20:100]
    for before, after, x in zip(frames_of(source)[0], pictures, xs, strict=True):
        assert _likeness(before, template) > 0.9
        assert _likeness(after, template) < 0.5
        assert differs(before, after, Box(x, 50, 80, 24)) > 25
        assert differs(before, after, Box(200, 110, 80, 24)) < 8
        assert differs(before, after, Box(0, 84, 320, 20)) < 6


def _likeness(picture: Picture, template: Picture) -> float:
    """How well the template is found within the upper part of the picture."""
    found = cv2.matchTemplate(picture[30:100], template, cv2.TM_CCOEFF_NORMED)
    return float(found.max())


@pytest.mark.parametrize("size", [(64, 36), (321, 181), (320, 180)])
def test_boxes_over_the_edge_and_tiny_ones(tmp_path: Path, size: tuple[int, int]) -> None:
    source = tmp_path / "clip.mp4"
    clip_file(
        source,
        [scene(n, size=size) for n in range(4)],
        TIMES[:4],
        RecordingPolicy(codec=Codec.MJPEG),
    )
    boxes = [Box(-500, -5, 20, 20), Box(-10, -10, 9000, 9000), Box(5000, 0, 9, 9), Box(3, 3, 1, 1)]
    tracks = [Track(label="Ö 京 " * 8, places=[Placed(0, box)]) for box in boxes]
    (path,) = made(
        tmp_path,
        source,
        Rendition(name="x.mp4", hidden=tracks, marked=tracks, time=BurntTime(0, ZONE)),
    )
    assert len(frames_of(path)[0]) == 4


def test_what_is_no_clip(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(bytes(range(256)) * 50)
    with pytest.raises(Conflict, match="does not decode"), source.open("rb") as file:
        AvVideo().render(file, [Rendition(name="x.mp4")], tmp_path)


def test_where_a_plate_is_hidden() -> None:
    """Between two reads nothing of the way is left out; before and after it is held, and follows
    its movement.
    """
    read = way((1000, 100, 50), (1400, 200, 50), (5000, 200, 50))
    for at, x in ((1000, 100), (1200, 150), (1400, 200), (3000, 200)):
        box = read.hidden_at(at)
        assert box is not None
        assert box.x < x
        assert box.x + box.width > x + 80
    ahead = read.hidden_at(900)
    assert ahead is not None
    assert ahead.x < 75  # where it came from
    assert ahead.x + ahead.width > 180  # and where it stood
    assert read.hidden_at(1000 - BLUR_HOLD_MS - 1) is None
    assert read.hidden_at(5000 + BLUR_HOLD_MS) is not None
    assert track("A", [None]).hidden_at(0) is None
    far = way((0, 0, 0), (4000, 200, 100)).hidden_at(2000)
    assert far is not None
    assert (far.x < 0, far.y < 0, far.x + far.width > 280, far.y + far.height > 124) == (True,) * 4


def test_pixels_of_the_camera_and_of_the_clip() -> None:
    plain = RecordingPolicy()
    assert frame_scale(plain, (320, 180), None) == (1, 1)
    assert frame_scale(replace(plain, scale="0.5"), (320, 180), None) == (0.5, 0.5)
    fixed = replace(plain, scale="640x360")
    assert frame_scale(fixed, (640, 360), (1280, 1080)) == (0.5, 1 / 3)
    assert frame_scale(fixed, (640, 360), None) is None
    assert placed(7, [10, 20, 30, 0.1], (0.5, 2)) == Placed(7, Box(5, 40, 15, 1))
    assert placed(7, None, (1, 1)) is None
    assert placed(7, [1, 2, 3, 4], None) is None


def test_times_as_they_are_written() -> None:
    assert BurntTime(START_MS, ZoneInfo("UTC")).lines(5) == ["2026-09-21 14:13:20.005 UTC"]
    assert BurntTime(START_MS, ZONE).lines(0) == [
        "2026-09-21 14:13:20.000 UTC",
        "2026-09-21 16:13:20.000 Europe/Berlin (+0200)",
    ]


@pytest.mark.parametrize("bframes", [0, 2])
def test_a_copied_clip_that_begins_within_a_group(tmp_path: Path, bframes: int) -> None:
    """Pictures that are only there for decoding are not shown in the copy either."""
    frames = as_frames(coded(range(40), 20, bframes), START_MS)
    base = frames[10].captured_ms
    video, policy = AvVideo(), RecordingPolicy(codec=Codec.COPY)
    copier = video.copier(base)
    for frame in frames:
        copier.add(frame)
    part, source = copier.finish(), tmp_path / "clip.mp4"
    video.join(
        path=source,
        pieces=[Piece(base, part.data, part.index)],
        span_ms=(base, frames[-1].captured_ms + 66),
        policy=policy,
        form=video.copied_form(frames[0]),
    )
    (path,) = made(tmp_path, source, Rendition(name="overlay.mp4"))
    numbers = numbers_of_clip(source)
    assert (numbers[0][0] or 0) >= 8
    assert numbers[1][0] == 0
    assert numbers_of_clip(path) == numbers


def test_colours_of_a_camera_with_the_matrix_of_hd(tmp_path: Path) -> None:
    """A copy is tagged as BT.601: what is BT.709 becomes that, and looks the same."""
    source = tmp_path / "clip.mp4"
    picture = scene(1)
    picture[40:170] = (40, 60, 200)
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(
            format="yuv420p", dst_colorspace=1, dst_color_range=1
        )
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with av.open(str(source)) as container:
        assert next(container.decode(video=0)).colorspace == 1
    (path,) = made(tmp_path, source, Rendition(name="x.mp4"))
    with av.open(str(path)) as container:
        shown = next(container.decode(video=0))
        assert shown.colorspace == 6
        bgr = shown.to_ndarray(format="bgr24", src_colorspace=5)
    assert np.abs(bgr[60:160].astype(int) - picture[60:160].astype(int)).mean() < 7
