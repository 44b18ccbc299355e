"""Keyframes: what one every two seconds costs a writer and the store, against one a part, and what
a seek gains.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Row, in_turn, report
from benchmarks.scene import jpegs
from benchmarks.writer import FPS, write_clip
from shared.adapters.video.stills import still
from shared.domain.codec import CODECS, CODED
from shared.domain.policy import RecordingPolicy

SIZE, FRAMES, ROUNDS = (1280, 720), 75, 3  # a part of five seconds
DISTANCES = (2.0, 0.0)


def run(*, quick: bool) -> list[Row]:
    """CPU and bytes a second of footage, and CPU of showing the part's last picture, in turn."""
    size, count, rounds = ((320, 180), 10, 1) if quick else (SIZE, FRAMES, ROUNDS)
    frames = jpegs(*size, count)
    seconds = count / FPS
    rows = []
    with TemporaryDirectory(prefix="platereel-bench-") as name:
        for codec in (each for each in CODED if not CODECS[each].keeps_source):
            paths = {each: Path(name) / f"{codec}-{each:g}.mp4" for each in DISTANCES}
            writing: dict[str, Callable[[], object]] = {
                f"{each:g}": partial(
                    write_clip,
                    frames,
                    [
                        RecordingPolicy(
                            codec=codec, fps=FPS, encoder="software", keyframe_seconds=each
                        )
                    ],
                    size,
                    path,
                )
                for each, path in paths.items()
            }
            costs = in_turn(writing, rounds)
            last_ms = round((count - 1) * 1000 / FPS)
            showing: dict[str, Callable[[], object]] = {
                f"{each:g}": partial(_show, path, last_ms) for each, path in paths.items()
            }
            seeks = in_turn(showing, rounds)
            for each, path in paths.items():
                case = f"{codec}, {size[1]}p, keyframe_seconds {each:g}"
                key = f"{each:g}"
                rows += [
                    report(case, "CPU ms a second", costs[key].cpu_s / seconds * 1000),
                    report(case, "bytes a second", path.stat().st_size / seconds),
                    report(case, "CPU ms of a seek", seeks[key].cpu_s * 1000),
                ]
    return rows


def _show(path: Path, at_ms: int) -> None:
    with path.open("rb") as clip:
        still(clip, at_ms)
