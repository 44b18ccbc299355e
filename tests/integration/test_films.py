"""Video files as cameras: they play at their own pace, whatever their times begin with or jump
to.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from io import BytesIO
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from services.capture.run import Run
from services.capture.sources.factory import make_source
from services.capture.sources.films import FileSource
from services.capture.sources.picture import CodedPicture, Picture, SourceLost
from shared.domain.errors import BadInput
from shared.wire.frames import check_jpeg
from shared.wire.urls import encoded
from tests.support.h264 import FPS, coded
from tests.support.numbers import number_of_jpeg
from tests.support.pictures import numbered_jpeg, numbered_picture
from tests.support.twins import SimulatedClock

FRAMES = 30
FILM = coded(range(FRAMES), gop=10)


def muxed(path: Path, time_s: Callable[[int], float]) -> Path:
    """The numbered film with pictures at times of its own."""
    clock = Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        stream = container.add_mux_stream("h264", width=320, height=180)
        stream.time_base = clock
        for packet in FILM:
            made = av.Packet(packet.data)
            made.stream, made.time_base, made.is_keyframe = stream, clock, packet.keyframe
            made.pts = made.dts = round(time_s(packet.pts) / clock)
            container.mux(made)
    return path


def late(path: Path) -> Path:
    return muxed(path / "late.ts", lambda n: 3600 + n / FPS)


def jumping(path: Path) -> Path:
    return muxed(path / "jump.mkv", lambda n: n / FPS + 3600 * (n >= 10))


def backwards(path: Path) -> Path:
    """Two recordings in one file: the second begins before the first has ended."""
    pieces = [muxed(path / f"{since}.ts", lambda n, s=since: s + n / FPS) for since in (100, 50)]  # type: ignore[misc]
    made = path / "back.ts"
    made.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    return made


def timeless(path: Path) -> Path:
    """No container, so no times; what the packets say of their rate is all there is."""
    made = path / "raw.h264"
    made.write_bytes(b"".join(packet.data for packet in FILM))
    return made


@pytest.mark.parametrize("film", [late, jumping, backwards, timeless])
def test_a_film_plays_at_once_and_at_its_pace(tmp_path: Path, film: Callable[[Path], Path]) -> None:
    clock = SimulatedClock()
    pictures = list(islice(make_source(f"file:{film(tmp_path)}", clock, 90).pictures(), 2 * FRAMES))
    assert [number_of_jpeg(picture.jpeg()) for picture in pictures] == [*range(FRAMES)] * 2
    assert clock.monotonic() == pytest.approx((2 * FRAMES - 1) / FPS, abs=0.1)
    assert [picture.source_s for picture in pictures] == [
        pytest.approx(n / FPS, abs=0.05) for n in range(2 * FRAMES)
    ]


def test_motion_jpeg_without_a_container_plays_at_the_rate_it_is_given(tmp_path: Path) -> None:
    clock, path = SimulatedClock(), tmp_path / "raw.mjpeg"
    path.write_bytes(b"".join(numbered_jpeg(n) for n in range(FRAMES)))
    pictures = list(islice(make_source(f"file:{path}", clock, 90).pictures(), FRAMES))
    assert [picture.jpeg() for picture in pictures] == [numbered_jpeg(n) for n in range(FRAMES)]
    assert clock.monotonic() == pytest.approx((FRAMES - 1) / 25, abs=0.05)


@cache
def silent(kind: str) -> bytes:
    """Raw H.264 or H.265 as a DVR exports it: its packets do not even tell a rate."""
    made = BytesIO()
    with av.open(made, "w", format=kind) as container:
        stream = container.add_stream(f"libx26{'5' if kind == 'hevc' else '4'}", rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = (
            {"x265-params": "log-level=none:no-vui-timing-info=1:bframes=2"}
            if kind == "hevc"
            else {"bf": "2"}
        )
        for n in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(numbered_picture(n), format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return made.getvalue()


@pytest.mark.parametrize(
    "name", ["a.h264", "a.264", "a.h265", "a.hevc", "a.raw", "a.mjpeg", "a.mjpg"]
)
@pytest.mark.parametrize(
    ("options", "fps", "faster"),
    [("?fps=10", 10, 1), ("?speed=4&fps=10", 10, 4), ("?fps=40", 40, 1)],
)
def test_a_film_without_a_container_plays_at_the_rate_it_is_given(
    tmp_path: Path, name: str, options: str, fps: float, faster: float
) -> None:
    path = tmp_path / name
    if "mj" in name:
        path.write_bytes(b"".join(numbered_jpeg(n) for n in range(FRAMES)))
    else:
        path.write_bytes(silent("hevc" if name.endswith(("5", "hevc")) else "h264"))
    clock = SimulatedClock()
    began_ms = clock.now_ms()
    pictures = list(islice(make_source(f"file:{path}{options}", clock, 90).pictures(), FRAMES))
    assert [number_of_jpeg(picture.jpeg()) for picture in pictures] == [*range(FRAMES)]
    assert [picture.source_s for picture in pictures] == [
        pytest.approx(n / fps) for n in range(FRAMES)
    ]
    assert clock.monotonic() == pytest.approx((FRAMES - 1) / fps / faster, abs=0.01)
    if faster != 1:  # it ends by now
        last_ms = pictures[-1].captured_ms
        assert last_ms is not None
        assert began_ms - 1000 / fps - 5 <= last_ms <= began_ms + 5


def test_a_film_that_tells_its_rate_is_counted_to_be_played_faster(tmp_path: Path) -> None:
    clock = SimulatedClock()
    pictures = list(make_source(f"file:{timeless(tmp_path)}?speed=4", clock, 90).pictures())
    assert len(pictures) == FRAMES
    assert clock.monotonic() == pytest.approx((FRAMES - 1) / FPS / 4, abs=0.01)


def test_a_rate_that_is_given_counts_before_the_films_own_times(tmp_path: Path) -> None:
    pictures = list(
        islice(
            make_source(f"file:{jumping(tmp_path)}?fps=5", SimulatedClock(), 90).pictures(), FRAMES
        )
    )
    assert [picture.source_s for picture in pictures] == [
        pytest.approx(n / 5) for n in range(FRAMES)
    ]


NAMES = [
    ("a?b.ts", "a?b.ts"), ("a?b.ts", "a%3Fb.ts"), ("a?b.ts", "a?b.ts?loop=false"), ("a?b=c.ts", "a%3Fb=c.ts"),
    ("a#b.ts", "a#b.ts"), ("a#b.ts", "a%23b.ts"), ("a b.ts", "a b.ts"), ("a b.ts", "a%20b.ts"), ("50%.ts", "50%.ts"),
    ("50%ab.ts", "50%ab.ts"), ("50%ab.ts", "50%25ab.ts"), ("a%3Fb.ts", "a%3Fb.ts"), ("10:30.ts", "10:30.ts"),
    ("http:x.ts", "http:x.ts"), ("a&b=c.ts", "a&b=c.ts"), ("ä.ts", "ä.ts"), ("ä.ts", "%C3%A4.ts"), ("a+b.ts", "a+b.ts"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "written"), NAMES)
def test_a_path_may_have_any_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, written: str
) -> None:
    monkeypatch.chdir(tmp_path)
    muxed(tmp_path / "plain.ts", lambda n: n / FPS).rename(tmp_path / name)
    for folder in ("", f"{tmp_path}/", f"//{tmp_path}/"):
        picture = next(make_source(f"file:{folder}{written}", SimulatedClock(), 90).pictures())
        assert number_of_jpeg(picture.jpeg()) == 0


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"),
        min_size=1,
        max_size=20,
    )
)
def test_a_name_of_the_environment_finds_its_file(name: str) -> None:
    """However it is called: its value is percent-encoded where it is filled in."""
    source = make_source(
        "file:/films/" + encoded(name, "file:/films/", "?speed=2") + "?speed=2",
        SimulatedClock(),
        90,
    )
    assert isinstance(source, FileSource)
    assert unquote(source._path) == f"/films/{name}"
    assert source._speed == 2


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("file:", "needs a path"),
        ("file:?speed=1", "needs a path"),
        ("file:a%00b", "character"),
        ("file:a%0Ab", "character"),
        ("file:a.mp4?sped=2", "unknown option sped"),
        ("file:a.mp4?fps=0", "fps"),
        ("file:a.mp4?fps=nan", "fps"),
        ("file:a.mp4?loop=maybe", "loop is true or false"),
        ("file:a.mp4?speed=2&loop=true", "cannot loop"),
    ],
)
def test_a_file_that_cannot_be_named(source: str, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        make_source(source, SimulatedClock(), 90)


def test_nothing_but_a_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg reads addresses and lists of files where a path may stand."""
    monkeypatch.chdir(tmp_path)
    muxed(tmp_path / "plain.ts", lambda n: n / FPS)
    for path in (
        "concat:plain.ts",
        "http://127.0.0.1:9/plain.ts",
        "subfile,,start,0,end,0,,:plain.ts",
        "nothing.ts",
        ".",
    ):
        with pytest.raises(SourceLost, match=r"No such file|Is a directory"):
            next(make_source(f"file:{path}", SimulatedClock(), 90).pictures())


def test_a_film_without_pictures_is_refused_in_words(tmp_path: Path) -> None:
    """It would be opened over and over, without a pause and without a word."""
    path = tmp_path / "empty.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        container.start_encoding()
    with pytest.raises(SourceLost, match=r"no picture|cannot be read"):
        next(make_source(f"file:{path}", SimulatedClock(), 90).pictures())


def test_a_video_file_plays_at_its_own_times(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for n in range(12):
            image = cv2.imdecode(np.frombuffer(numbered_jpeg(n), np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            picture = av.VideoFrame.from_ndarray(image.astype(np.uint8), format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    clock = SimulatedClock()
    source = make_source(f"file:{path}", clock, 90).pictures()
    pictures = [next(source) for _ in range(30)]
    times = [p.source_s for p in pictures if p.source_s is not None]
    assert times == [pytest.approx(n / 10, abs=0.001) for n in range(30)]
    assert [number_of_jpeg(p.jpeg()) for p in pictures] == [n % 12 for n in range(30)]
    assert all(check_jpeg(p.jpeg()).width == 320 for p in pictures[:3])


@pytest.mark.parametrize("copied", [False, True], ids=["jpeg", "copied"])
@pytest.mark.parametrize("by_s", [-3.0, 4.0])
def test_a_camera_whose_time_steps_loses_nothing(by_s: float, copied: bool) -> None:
    """Labels go on by arrival, in both kinds of cameras."""
    clock = SimulatedClock()
    run = Run(clock, None, 10)
    labels = []
    for n in range(200):
        source_s = n / 10 + (by_s if n >= 100 else 0)
        picture = (
            CodedPicture(b"x", keyframe=True, parameters="h264:1", source_s=source_s)
            if copied
            else Picture(lambda: b"x", source_s)
        )
        labels.append((run.time_of(picture) or 0) - 1_700_000_000_000)
        clock.sleep(0.1)
    assert labels == [pytest.approx(n * 100, abs=50) for n in range(200)]
