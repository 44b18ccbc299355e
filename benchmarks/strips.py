"""Strips: what the small pictures of a part cost its writer, how large a clip's strip is, and what
joining it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.cameras import h264_packets
from benchmarks.copy import copied_frames
from benchmarks.harness import ROUNDS, Row, in_turn, report
from benchmarks.scene import jpegs
from shared.adapters.video.av_video import AvVideo
from shared.adapters.video.strips import strip_of
from shared.domain.codec import Codec
from shared.domain.media import Frame
from shared.domain.parts import EncodedPart
from shared.domain.policy import RecordingPolicy
from shared.domain.strips import PlacedSheet

FPS, PART_SECONDS, SECONDS = 15, 5, 20
SIZE, QUICK = (1280, 720), (320, 180)
GOP = 30  # of the copied camera: a keyframe every two seconds


def run(*, quick: bool) -> list[Row]:
    """CPU seconds a second of footage, with sheets and without, in turn; then one clip's strip."""
    size, seconds, rounds = (QUICK, 1, 1) if quick else (SIZE, SECONDS, ROUNDS)
    frames = jpegs(*size, FPS * seconds)
    packets = copied_frames(h264_packets(frames, *size, FPS, GOP))
    making: dict[Codec, Callable[..., list[EncodedPart]]] = {
        Codec.H264: partial(parts_of, Codec.H264, frames),
        Codec.MJPEG: partial(parts_of, Codec.MJPEG, frames),
        Codec.COPY: partial(copied_parts, packets),
    }
    rows = []
    for codec, make in making.items():
        kinds: dict[str, Callable[[], object]] = {
            "with": partial(make, sheet=True),
            "without": partial(make, sheet=False),
        }
        costs = in_turn(kinds, rounds)
        for name in kinds:
            case = f"{codec}, {size[1]}p, {name} sheets"
            rows.append(report(case, "CPU ms a second", costs[name].cpu_s / seconds * 1000))
    sheets = [
        PlacedSheet(sheet=part.sheet[0], jpeg=part.sheet[1], start_ms=number * PART_SECONDS * 1000)
        for number, part in enumerate(parts_of(Codec.MJPEG, frames, sheet=True))
        if part.sheet is not None
    ]
    case = f"{seconds} s, {size[1]}p"
    cost = in_turn({"join": partial(strip_of, sheets, seconds * 1000)}, rounds)["join"]
    rows.append(report(case, "CPU ms to join", cost.cpu_s * 1000))
    found = strip_of(sheets, seconds * 1000)
    rows.append(report(case, "bytes of a strip", 0 if found is None else len(found[1])))
    return rows


def parts_of(codec: Codec, frames: Sequence[bytes], *, sheet: bool) -> list[EncodedPart]:
    """The footage as parts."""
    video, policy = AvVideo(), RecordingPolicy(codec=codec, fps=FPS, encoder="software")
    form = video.form(frames[0], policy)
    made = []
    for first in range(0, len(frames), FPS * PART_SECONDS):
        encoder = video.encoder(policy, form, round(first * 1000 / FPS), sheet=sheet)
        for number in range(first, min(first + FPS * PART_SECONDS, len(frames))):
            encoder.add(frames[number], round(number * 1000 / FPS))
        made.append(encoder.finish())
    return made


def copied_parts(frames: Sequence[Frame], *, sheet: bool) -> list[EncodedPart]:
    """A copied camera's packets as parts."""
    made = []
    for first in range(0, len(frames), FPS * PART_SECONDS):
        part = AvVideo().copier(frames[first].captured_ms, sheet=sheet)
        for frame in frames[first : first + FPS * PART_SECONDS]:
            part.add(frame)
        made.append(part.finish())
    return made
