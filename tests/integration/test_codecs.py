"""Every codec through parts and joins: what goes in comes out, in order, at its time, with its
colours.
"""

from __future__ import annotations

import io
import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from shared.adapters.video import encoders as encoders_module
from shared.adapters.video.av_video import AvVideo
from shared.adapters.video.codecs import MAKING
from shared.adapters.video.jpeg import JpegDecoder
from shared.adapters.video.pixels import Pixels
from shared.domain.codec import Codec
from shared.domain.errors import BadInput, Retryable
from shared.domain.parts import ClipForm, EncodedPart, Packet, Piece
from shared.domain.policy import RecordingPolicy
from tests.support import h264
from tests.support.numbers import boxes, numbers_of_clip
from tests.support.pictures import numbered_jpeg
from tests.support.waiting import WAIT_SECONDS, wait_until

START_MS = 1_700_000_000_000
# a camera's times jitter
TIMES_MS = [START_MS + round(n * 1000 / 15) + (n % 3) * 4 for n in range(90)]
PART_FRAMES = 30


def encode_parts(
    video: AvVideo, policy: RecordingPolicy, jpegs: list[bytes]
) -> tuple[ClipForm, list[EncodedPart]]:
    form = video.form(jpegs[0], policy)
    parts = []
    for at in range(0, len(jpegs), PART_FRAMES):
        encoder = video.encoder(policy, form, TIMES_MS[at], TIMES_MS[at] + 500)
        for jpeg, ms in zip(
            jpegs[at : at + PART_FRAMES], TIMES_MS[at : at + PART_FRAMES], strict=True
        ):
            encoder.add(jpeg, ms)
        parts.append(encoder.finish())
    return form, parts


def pieces_of(parts: list[EncodedPart]) -> list[Piece]:
    return [Piece(TIMES_MS[n * PART_FRAMES], part.data, part.index) for n, part in enumerate(parts)]


@pytest.mark.parametrize(
    ("policy", "tag"),
    [
        (RecordingPolicy(), "avc1"),
        (RecordingPolicy(color_range="limited"), "avc1"),
        (RecordingPolicy(bitrate=400_000, preset="veryfast"), "avc1"),
        (RecordingPolicy(codec=Codec.HEVC), "hvc1"),
        (RecordingPolicy(codec=Codec.HEVC, bitrate=400_000), "hvc1"),
        (RecordingPolicy(codec=Codec.AV1), "av01"),
        (RecordingPolicy(codec=Codec.AV1, color_range="limited", bitrate=400_000), "av01"),
        (RecordingPolicy(codec=Codec.MP4V), "mp4v"),
        (RecordingPolicy(codec=Codec.MP4V, bitrate=400_000), "mp4v"),
        (RecordingPolicy(codec=Codec.MJPEG), "mp4v"),
    ],
    ids=lambda value: (
        f"{value.codec}-{value.color_range}-{value.bitrate}"
        if isinstance(value, RecordingPolicy)
        else ""
    ),
)
def test_frames_times_and_tags(policy: RecordingPolicy, tag: str, tmp_path: Path) -> None:
    """Three parts join into one clip that holds every picture once, at its time to the
    millisecond.
    """
    video = AvVideo()
    form, parts = encode_parts(video, policy, [numbered_jpeg(n) for n in range(90)])
    assert form == ClipForm(320, 180, MAKING[policy.codec].software)
    assert len({part.parameters_sha256 for part in parts}) == 1
    path = tmp_path / "clip.mp4"
    joined = video.join(
        path=path,
        pieces=pieces_of(parts),
        span_ms=(TIMES_MS[0], TIMES_MS[-1] + 67),
        policy=policy,
        form=form,
    )
    numbers, times = numbers_of_clip(path)
    assert numbers == list(range(90))
    assert [round(t * 1000) for t in times] == [ms - TIMES_MS[0] for ms in TIMES_MS]
    assert boxes(path)[:2] == ["ftyp", "moov"]
    full = policy.color_range == "full" and policy.codec != Codec.MP4V
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.codec_tag == tag
        assert context.color_range == (2 if full else 1)
        assert context.colorspace == (5 if policy.codec == Codec.MJPEG else 6)
        stream = container.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        assert round(float(stream.duration * stream.time_base) * 1000) == joined.duration_ms


def test_copied_pictures_are_the_cameras_own(tmp_path: Path) -> None:
    """Motion JPEG decodes nothing, keeps every byte, and takes in a picture of another size."""
    policy = RecordingPolicy(codec=Codec.MJPEG)
    jpegs = [numbered_jpeg(n) for n in range(29)] + [numbered_jpeg(29, 640, 360)]
    _, (part,) = encode_parts(AvVideo(), policy, jpegs)
    assert part.data.startswith(b"".join(jpegs[:29]))
    picture = cv2.imdecode(
        np.frombuffer(part.data[-part.index[-1].size :], np.uint8), cv2.IMREAD_COLOR
    )
    assert picture is not None
    assert picture.shape == (180, 320, 3)
    encoder = AvVideo().encoder(policy, ClipForm(320, 180, "mjpeg"), START_MS)
    with pytest.raises(BadInput, match="truncated"):
        encoder.add(jpegs[0][:-100], START_MS)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC, Codec.AV1])
def test_parts_of_different_settings_are_told_apart_and_made_one(
    codec: Codec, tmp_path: Path
) -> None:
    """As when two hosts have different encoders: the hashes differ, and encoding again makes parts
    that join.
    """
    video = AvVideo()
    policy = RecordingPolicy(codec=codec)
    other = replace(policy, color_range="limited", fps=7)
    jpegs = [numbered_jpeg(n) for n in range(90)]
    form, parts = encode_parts(video, policy, jpegs)
    _, others = encode_parts(video, other, jpegs)
    assert parts[0].parameters_sha256 != others[0].parameters_sha256
    mixed = pieces_of([parts[0], others[1], parts[2]])
    path = tmp_path / "clip.mp4"
    pieces, policy, form = video.reencode(mixed, policy, form, tmp_path)
    video.join(
        path=path, pieces=pieces, span_ms=(TIMES_MS[0], TIMES_MS[-1] + 67), policy=policy, form=form
    )
    assert numbers_of_clip(path)[0] == list(range(90))


def test_auto_tries_each_family_once() -> None:
    video = AvVideo()
    with capture_logs() as logs:
        video.form(numbered_jpeg(1), RecordingPolicy())
        video.form(numbered_jpeg(1), RecordingPolicy())
    refused = [entry["encoder"] for entry in logs if entry["event"] == "encoder_refused"]
    assert refused == ["h264_nvenc", "h264_qsv", "h264_amf", "h264_v4l2m2m"]


def test_auto_loads_no_driver_where_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders_module, "has_device", lambda _: False)
    monkeypatch.setattr(
        encoders_module, "trial_apart", lambda *_: pytest.fail("a driver was loaded")
    )
    assert AvVideo().form(numbered_jpeg(1), RecordingPolicy()).encoder == "libx264"


def test_no_part_waits_for_the_trial_of_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver may take its whole limit, on a busy host one after another: meanwhile parts are made
    in software.
    """
    trying, ended = threading.Event(), threading.Event()

    def trial(*_: object) -> None:
        trying.set()
        assert ended.wait(WAIT_SECONDS)

    monkeypatch.setattr(encoders_module, "has_device", lambda family: family == "qsv")
    monkeypatch.setattr(encoders_module, "trial_apart", trial)
    video = AvVideo(patient=False)
    assert video.form(numbered_jpeg(1), RecordingPolicy()).encoder == "libx264"
    assert trying.wait(WAIT_SECONDS)
    ended.set()
    wait_until(
        "the encoder that works",
        lambda: video.form(numbered_jpeg(1), RecordingPolicy()).encoder == "h264_qsv",
    )


def test_a_recording_goes_on_with_the_encoder_it_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new process waits for that one trial, so that a clip's parts do not differ."""
    tried: list[str] = []
    monkeypatch.setattr(encoders_module, "has_device", lambda _: True)
    monkeypatch.setattr(encoders_module, "trial_apart", lambda name, _: tried.append(name))
    encoders = encoders_module.Encoders(patient=False)
    assert encoders.choose(RecordingPolicy(), "h264_qsv") == "h264_qsv"
    assert tried == ["h264_qsv"]
    encoders.condemn("h264_qsv", "it failed")
    assert encoders.choose(RecordingPolicy(encoder="software"), "h264_qsv") == "libx264"


def test_an_encoder_that_fails_in_the_middle_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The part is put off, not counted as an attempt, and its next run is made in software."""
    video, policy = AvVideo(), RecordingPolicy(encoder="nvenc")
    monkeypatch.setattr(encoders_module.Encoders, "_probe", lambda *_: None)
    form = video.form(numbered_jpeg(1), policy)
    assert form.encoder == "h264_nvenc"
    with pytest.raises(Retryable, match="h264_nvenc failed"):
        video.encoder(policy, form, START_MS).add(numbered_jpeg(1), START_MS)
    encoder = video.encoder(policy, form, START_MS)
    encoder.add(numbered_jpeg(1), START_MS)
    assert encoder.finish().index
    assert video.form(numbered_jpeg(1), policy).encoder == "libx264"


def test_a_picture_that_repeats_is_decoded_once() -> None:
    decoder = JpegDecoder(Pixels(320, 180, "yuvj420p", full=True))
    first = decoder.decode(numbered_jpeg(1))
    assert decoder.decode(bytes(bytearray(numbered_jpeg(1)))) is first
    assert decoder.decode(numbered_jpeg(2)) is not first


def test_frames_that_repeat_are_all_in_the_clip(tmp_path: Path) -> None:
    video, policy = AvVideo(), RecordingPolicy()
    form, parts = encode_parts(video, policy, [numbered_jpeg(n // 10) for n in range(90)])
    path = tmp_path / "clip.mp4"
    video.join(
        path=path,
        pieces=pieces_of(parts),
        span_ms=(TIMES_MS[0], TIMES_MS[-1] + 67),
        policy=policy,
        form=form,
    )
    assert numbers_of_clip(path)[0] == [n // 10 for n in range(90)]


def card(width: int, height: int) -> NDArray[np.uint8]:
    """Thirty patches of all colours, BGR."""
    chance = np.random.default_rng(1)
    return cv2.resize(
        chance.integers(0, 255, (5, 6, 3)).astype(np.uint8),
        (width, height),
        interpolation=cv2.INTER_NEAREST,
    ).astype(np.uint8)


@pytest.mark.parametrize(
    ("policy", "size", "tolerance"),
    [
        (RecordingPolicy(quality=1), (640, 360), 6),
        (RecordingPolicy(quality=1, color_range="limited"), (640, 360), 8),
        (RecordingPolicy(quality=1, scale="0.5"), (320, 180), 6),
        (RecordingPolicy(quality=1, scale="300x200"), (300, 200), 6),
        (RecordingPolicy(quality=1, scale="0.25", color_range="limited"), (160, 90), 8),
        (RecordingPolicy(codec=Codec.MP4V, quality=1), (640, 360), 8),
        (RecordingPolicy(codec=Codec.AV1, quality=1), (640, 360), 8),
    ],
    ids=["full", "limited", "half", "other-shape", "quarter", "mp4v", "av1"],
)
def test_colours_and_size(
    policy: RecordingPolicy, size: tuple[int, int], tolerance: int, tmp_path: Path
) -> None:
    """The middle of every patch has the JPEG's own colour, whatever range, size or way of
    decoding.
    """
    ok, data = cv2.imencode(".jpg", card(640, 360), [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert ok
    jpeg = data.tobytes()
    video = AvVideo()
    form = video.form(jpeg, policy)
    assert (form.width, form.height) == size
    encoder = video.encoder(policy, form, START_MS, START_MS)
    for n in range(3):
        encoder.add(jpeg, START_MS + n * 67)
    part = encoder.finish()
    path = tmp_path / "clip.mp4"
    video.join(
        path=path,
        pieces=[Piece(START_MS, part.data, part.index)],
        span_ms=(START_MS, START_MS + 200),
        policy=policy,
        form=form,
    )
    with av.open(str(path)) as container:
        frame = next(iter(container.decode(video=0)))
    assert (frame.width, frame.height) == size
    planes = Pixels(*size, "yuvj420p", full=True).fit(frame).to_ndarray(format="yuvj420p")
    shown = _bgr(planes.astype(np.uint8))
    original = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert original is not None
    for row in range(5):
        for column in range(6):
            at = (column + 0.5) / 6, (row + 0.5) / 5
            given = original[round(at[1] * 360), round(at[0] * 640)].astype(int)
            seen = shown[round(at[1] * size[1]), round(at[0] * size[0])].astype(int)
            assert abs(given - seen).max() <= tolerance, (row, column, given, seen)
    assert part.thumbnail is not None
    with av.open(io.BytesIO(part.thumbnail)) as container:
        assert container.streams.video[0].width == min(320, size[0])


def _bgr(planes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """JFIF's equations (ITU-T T.871), chroma repeated."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    luma = planes[:height].astype(float)
    chroma = planes[height:].reshape(2, height // 2, width // 2).astype(float) - 128
    cb, cr = (np.kron(plane, np.ones((2, 2))) for plane in chroma)
    return np.stack(
        [luma + 1.772 * cb, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.402 * cr], 2
    ).clip(0, 255)


def test_two_pictures_at_one_moment_do_not_break_a_clip(tmp_path: Path) -> None:
    """Packets that came at once, or while a camera's time stepped, may be shown at the same
    millisecond.
    """
    video, jpegs = AvVideo(), [numbered_jpeg(n) for n in range(4)]
    index = tuple(
        Packet(ms, len(jpeg), keyframe=True)
        for ms, jpeg in zip((0, 100, 100, 101), jpegs, strict=True)
    )
    piece, form = Piece(1000, b"".join(jpegs), index), ClipForm(320, 180, "mjpeg")
    path = tmp_path / "clip.mp4"
    assert (
        video.join(
            path=path,
            pieces=[piece],
            span_ms=(1000, 1200),
            policy=RecordingPolicy(codec=Codec.MJPEG),
            form=form,
        ).frame_count
        == 4
    )
    assert numbers_of_clip(path)[0] == [0, 1, 2, 3]
    coded = h264.coded(range(4), gop=4)
    index = tuple(
        Packet(ms, len(p.data), p.keyframe) for ms, p in zip((0, 100, 100, 101), coded, strict=True)
    )
    piece, form = (
        Piece(1000, b"".join(p.data for p in coded), index),
        ClipForm(320, 180, "copy:h264"),
    )
    assert video.fragment(
        piece=piece, end_ms=1200, base_ms=1000, policy=RecordingPolicy(codec=Codec.COPY), form=form
    ).media


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC, Codec.AV1])
def test_no_encoder_takes_the_machine_from_the_others(codec: Codec) -> None:
    """SVT-AV1 makes itself and its caller real-time where it runs as root: Redis and Postgres would
    wait for it.
    """
    policy = RecordingPolicy(codec=codec)
    video = AvVideo()
    picture = numbered_jpeg(1)
    encoder = video.encoder(policy, video.form(picture, policy), START_MS)
    encoder.add(picture, START_MS)
    encoder.add(picture, START_MS + 67)
    schedulers = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # a thread of an earlier test has just ended
            schedulers.add(os.sched_getscheduler(int(task.name)))
    assert schedulers == {os.SCHED_OTHER}


@pytest.mark.parametrize(("name", "threads"), [("mpeg4", 1), ("libx264", 3)])
def test_one_encoder_has_one_thread_whatever_is_idle(name: str, threads: int) -> None:
    encoders = encoders_module.Encoders(lambda: 3)
    assert encoders.open(name, RecordingPolicy(), 320, 180).thread_count == threads
