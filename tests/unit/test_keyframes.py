"""Keyframes of finished clips: near enough to each other that a seek decodes little."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import ValidationError

from shared.adapters.video.av_video import AvVideo
from shared.domain.codec import CODED, Codec
from shared.domain.parts import Piece
from shared.domain.policy import RecordingPolicy
from shared.runtime.settings import Settings
from tests.support.numbers import read_number
from tests.support.pictures import numbered_jpeg

PART_MS, EVERY_MS, PARTS = 2500, 100, 2
ENCODED = [codec for codec in CODED if codec != Codec.MJPEG]
LIMITED = {"fps": 10, "color_range": "limited", "encoder": "software"}


def clip(path: Path, policy: RecordingPolicy, times_ms: Sequence[int]) -> None:
    """A clip of numbered frames at these times, in parts."""
    video = AvVideo()
    form = video.form(numbered_jpeg(0), policy)
    pieces = []
    for start_ms in range(0, times_ms[-1] + 1, PART_MS):
        encoder = video.encoder(policy, form, start_ms)
        for number, at_ms in enumerate(times_ms):
            if start_ms <= at_ms < start_ms + PART_MS:
                encoder.add(numbered_jpeg(number), at_ms)
        part = encoder.finish()
        pieces.append(Piece(start_ms, part.data, part.index))
    end_ms = times_ms[-1] + EVERY_MS
    video.join(path=path, pieces=pieces, span_ms=(0, end_ms), policy=policy, form=form)


def keyframes_ms(path: Path) -> list[int]:
    """When the clip's keyframes are shown, from its packets."""
    with av.open(str(path)) as container:
        found = [
            round(float(packet.pts * packet.time_base) * 1000)
            for packet in container.demux(video=0)
            if packet.is_keyframe and packet.pts is not None and packet.time_base is not None
        ]
    return sorted(found)


@pytest.mark.parametrize("codec", ENCODED)
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, [0, 2000, 2500, 4500]),
        (1, [0, 1000, 2000, 2500, 3500, 4500]),
        (0.25, [*range(0, 2500, 200), *range(2500, 5000, 200)]),
        (0, [0, 2500]),
    ],
)
def test_keyframes_of_a_clip(
    tmp_path: Path, codec: Codec, seconds: float | None, expected: list[int]
) -> None:
    policy = RecordingPolicy.from_json(LIMITED | {"codec": codec, "keyframe_seconds": seconds})
    path = tmp_path / "clip.mp4"
    clip(path, policy, range(0, PARTS * PART_MS, EVERY_MS))
    assert keyframes_ms(path) == expected


@pytest.mark.parametrize("codec", ENCODED)
def test_decoding_begins_at_any_keyframe(tmp_path: Path, codec: Codec) -> None:
    """From there on every picture is right, though nothing before it is decoded."""
    path = tmp_path / "clip.mp4"
    policy = RecordingPolicy.from_json(LIMITED | {"codec": codec, "keyframe_seconds": 0.5})
    clip(path, policy, range(0, PART_MS, EVERY_MS))
    for first_ms in keyframes_ms(path):
        with av.open(str(path)) as container:
            container.seek(first_ms * 1000)
            shown = [
                read_number(np.asarray(frame.to_ndarray(format="gray"), np.uint8))
                for frame in container.decode(video=0)
            ]
        assert shown == list(range(first_ms // EVERY_MS, PART_MS // EVERY_MS))


def test_they_are_at_most_that_far_apart_at_any_rate(tmp_path: Path) -> None:
    for every_ms in (40, 67, 143, 450, 1999):
        path = tmp_path / f"{every_ms}.mp4"
        clip(path, RecordingPolicy(encoder="software"), range(0, 2 * PART_MS, every_ms))
        found = keyframes_ms(path)
        assert max(after - before for before, after in pairwise(found)) <= 2000
        assert len(found) <= 6


def test_what_is_copied_has_the_cameras_keyframes() -> None:
    for codec in ("copy", "mjpeg"):
        with pytest.raises(
            ValidationError, match=f"keyframe_seconds cannot be set with codec {codec}"
        ):
            settings(codec=codec, keyframe_seconds=2)
    assert settings(codec="auto").may_be_copied("gate")
    asked = settings(codec="auto", keyframe_seconds=1)
    assert asked.against_copying("gate") == "keyframe_seconds is set"
    assert asked.policy("gate").keyframe_ms == 1000
    for wrong in (-1, 16, "often"):
        with pytest.raises(ValidationError, match="keyframe_seconds"):
            settings(keyframe_seconds=wrong)


def settings(**recording: object) -> Settings:
    camera = {"source": "rtsp://127.0.0.1/gate", **recording}
    return Settings.model_validate({"cameras": {"gate": camera}})
