"""Real clips of few frames, encoded in parts and joined, as writers do it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from shared.adapters.video.av_video import AvVideo
from shared.domain.parts import Joined, Piece
from shared.domain.policy import RecordingPolicy
from tests.support.pictures import numbered_picture

START_MS = 1_790_000_000_000
Picture = NDArray[np.uint8]


def jittered(count: int) -> list[int]:
    """Times of frames (ms after the first) of a camera that is not exact."""
    return [round(n * 1000 / 15) + n % 3 * 4 for n in range(count)]


def scene(
    number: int, *plates: tuple[str, int, int], size: tuple[int, int] = (320, 180)
) -> Picture:
    """A numbered picture with plates: black on white, 80x24, each at its place."""
    picture = numbered_picture(number, *size)
    for text, x, y in plates:
        picture[y : y + 24, x : x + 80] = 240
        cv2.putText(picture, text, (x + 3, y + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (10, 10, 10), 2)
    return picture


def clip_file(
    path: Path,
    pictures: Sequence[Picture],
    times: Sequence[int],
    policy: RecordingPolicy | None = None,
) -> Joined:
    """Write a clip of two parts."""
    policy, video = policy or RecordingPolicy(encoder="software"), AvVideo()
    jpegs = []
    for picture in pictures:
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
        assert done
        jpegs.append(data.tobytes())
    form, half, pieces = video.form(jpegs[0], policy), len(jpegs) // 2, []
    for stretch in (slice(0, half), slice(half, None)):
        base = START_MS + times[stretch][0]
        encoder = video.encoder(policy, form, base)
        for jpeg, at in zip(jpegs[stretch], times[stretch], strict=True):
            encoder.add(jpeg, START_MS + at)
        part = encoder.finish()
        pieces.append(Piece(base, part.data, part.index))
    span = (START_MS, START_MS + times[-1] + 66)
    return video.join(path=path, pieces=pieces, span_ms=span, policy=policy, form=form)


def frames_of(path: Path) -> tuple[list[Picture], list[int]]:
    """Every picture (BGR) of a clip, and its time in ms."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return (
        [frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False) for frame in frames],
        [round(float(frame.time or 0) * 1000) for frame in frames],
    )
