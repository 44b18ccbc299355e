"""Cameras whose pixels are not square: the scene keeps its shape in clip, thumbnail and
fragments.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from services.capture.sources.factory import make_source
from services.capture.sources.packets import PacketSource
from services.capture.sources.picture import Picture
from shared.adapters.video.av_video import AvVideo
from shared.domain.codec import CODECS, CODED, Codec
from shared.domain.parts import ClipForm, EncodedPart, Piece
from shared.domain.policy import RecordingPolicy
from shared.wire.frames import check_jpeg, pixel_aspect, with_pixel_aspect
from tests.support.h264 import Coded, as_frames, camera_encoder
from tests.support.numbers import numbers_of_clip
from tests.support.pictures import numbered_jpeg, numbered_picture
from tests.support.twins import SimulatedClock

WIDE = (2, 1)
JPEGS = [with_pixel_aspect(numbered_jpeg(n), WIDE) for n in range(12)]


def encoded(
    policy: RecordingPolicy, jpegs: Sequence[bytes] = JPEGS
) -> tuple[ClipForm, EncodedPart]:
    video = AvVideo()
    form = video.form(jpegs[0], policy)
    encoder = video.encoder(policy, form, 1000, 1500)
    for n, jpeg in enumerate(jpegs):
        encoder.add(jpeg, 1000 + n * 100)
    return form, encoder.finish()


def shown(data: Path | io.BytesIO) -> Fraction:
    """Width to height of what a player shows."""
    with av.open(data if isinstance(data, io.BytesIO) else str(data)) as container:
        stream = container.streams.video[0]
        return Fraction(stream.width, stream.height) * (stream.sample_aspect_ratio or 1)


def size_of(jpeg: bytes | None) -> tuple[int, int]:
    info = check_jpeg(jpeg or b"")
    return info.width, info.height


@pytest.mark.parametrize("codec", CODED)
def test_a_clip_its_thumbnail_and_its_fragments_have_the_cameras_shape(
    codec: Codec, tmp_path: Path
) -> None:
    policy, video, path = RecordingPolicy(codec=codec, fps=10), AvVideo(), tmp_path / "clip.mp4"
    form, part = encoded(policy)
    piece = Piece(1000, part.data, part.index)
    video.join(path=path, pieces=[piece], span_ms=(1000, 2200), policy=policy, form=form)
    assert shown(path) == Fraction(32, 9)
    if not CODECS[codec].square_pixels:
        assert form.aspect == WIDE
        assert b"pasp" in path.read_bytes()
    assert numbers_of_clip(path)[0] == list(range(12))
    assert size_of(part.thumbnail) == (320, 90)
    if video.streamable(policy, form):
        fragment = video.fragment(piece=piece, end_ms=2200, base_ms=1000, policy=policy, form=form)
        assert shown(io.BytesIO(fragment.header + fragment.media)) == Fraction(32, 9)
        with path.open("rb") as clip:
            cut = video.cut(clip, (0, 1200), 0)
        assert shown(io.BytesIO(cut.header + cut.media)) == Fraction(32, 9)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.AV1])
@pytest.mark.parametrize("scale", ["0.5", "640x180", "200x200"])
def test_a_scaled_clip_has_the_cameras_shape(codec: Codec, scale: str, tmp_path: Path) -> None:
    policy, path = RecordingPolicy(codec=codec, fps=10, scale=scale), tmp_path / "clip.mp4"
    form, part = encoded(policy)
    AvVideo().join(
        path=path,
        pieces=[Piece(1000, part.data, part.index)],
        span_ms=(1000, 2200),
        policy=policy,
        form=form,
    )
    if codec == Codec.H264 or scale == "0.5":
        assert float(shown(path)) == pytest.approx(32 / 9, rel=0.02)
    half = 320 if CODECS[codec].square_pixels else 160
    assert form.width == (int(scale.split("x", maxsplit=1)[0]) if "x" in scale else half)


def test_square_pixels_stay_as_they_were(tmp_path: Path) -> None:
    policy, path = RecordingPolicy(fps=10), tmp_path / "clip.mp4"
    form, part = encoded(policy, [numbered_jpeg(n) for n in range(12)])
    AvVideo().join(
        path=path,
        pieces=[Piece(1000, part.data, part.index)],
        span_ms=(1000, 2200),
        policy=policy,
        form=form,
    )
    assert (form.aspect, shown(path), b"pasp" in path.read_bytes()) == (
        (1, 1),
        Fraction(16, 9),
        False,
    )
    assert size_of(part.thumbnail) == (320, 180)


def wide_film() -> list[Coded]:
    codec = camera_encoder(5)
    codec.sample_aspect_ratio = Fraction(*WIDE)
    made = []
    for n in range(15):
        picture = av.VideoFrame.from_ndarray(numbered_picture(n), format="bgr24")
        picture.pts = n
        made += codec.encode(picture)
    made += codec.encode(None)
    return [Coded(bytes(p), bool(p.is_keyframe), int(p.pts or 0), int(p.dts or 0)) for p in made]


def test_a_copied_clip_keeps_it_too(tmp_path: Path) -> None:
    policy, video, path = RecordingPolicy(codec=Codec.COPY), AvVideo(), tmp_path / "clip.mp4"
    frames = as_frames(wide_film(), 1000)
    form, part = video.copied_form(frames[0]), video.copier(1000, 1200)
    for frame in frames:
        part.add(frame)
    made = part.finish()
    piece = Piece(1000, made.data, made.index)
    video.join(path=path, pieces=[piece], span_ms=(1000, 2000), policy=policy, form=form)
    assert (form.aspect, shown(path), size_of(made.thumbnail)) == (WIDE, Fraction(32, 9), (320, 90))
    assert b"pasp" in path.read_bytes()
    assert numbers_of_clip(path)[0] == list(range(15))
    again, policy, form = video.reencode([piece], policy, form, tmp_path)
    video.join(path=path, pieces=again, span_ms=(1000, 2000), policy=policy, form=form)
    assert shown(path) == Fraction(32, 9)


def film_file(path: Path) -> Path:
    clock = Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        stream = container.add_mux_stream("h264", width=320, height=180)
        stream.time_base = clock
        for packet in wide_film():
            made = av.Packet(packet.data)
            made.stream, made.time_base, made.is_keyframe = stream, clock, packet.keyframe
            made.pts = made.dts = packet.pts * 6000
            container.mux(made)
    return path


def test_decoded_pictures_say_the_shape_of_their_pixels(tmp_path: Path) -> None:
    """Of a film, of a stream, and of a copied camera that a detector looks at."""
    path = film_file(tmp_path / "wide.ts")
    picture = next(make_source(f"file:{path}", SimulatedClock(), 85).pictures())
    assert pixel_aspect(picture.jpeg()) == WIDE
    assert cv2.imdecode(np.frombuffer(picture.jpeg(), np.uint8), cv2.IMREAD_COLOR) is not None
    source = PacketSource(str(path), 85, SimulatedClock(), watched=True)
    seen = [each for each in source._of_container(av.open(str(path))) if isinstance(each, Picture)]
    assert pixel_aspect(seen[-1].jpeg()) == WIDE


def test_the_shape_is_read_where_it_is_told_and_can_be() -> None:
    jpeg = numbered_jpeg(1)
    assert pixel_aspect(jpeg) == (1, 1)
    assert pixel_aspect(with_pixel_aspect(jpeg, (12, 11))) == (12, 11)
    assert pixel_aspect(with_pixel_aspect(jpeg, (24, 22))) == (12, 11)
    bare = jpeg[:2] + jpeg[20:]  # without a JFIF header
    assert pixel_aspect(bare) == (1, 1)
    assert pixel_aspect(with_pixel_aspect(bare, (4, 3))) == (4, 3)
    # none, none, 1000:1, dpi
    for absurd in (b"\0\0\0\0\1", b"\0\0\1\0\0", b"\0\x03\xe8\0\1", b"\1\0\x48\0\x60"):
        assert pixel_aspect(jpeg[:13] + absurd + jpeg[18:]) == (1, 1)
