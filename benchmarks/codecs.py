"""Codecs: what each costs and how large it is at its default quality; the figures that `platereel
plan` counts with.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Row, in_turn, report
from benchmarks.scene import jpegs
from benchmarks.writer import FPS, write_clip
from shared.domain.codec import CODED
from shared.domain.policy import RecordingPolicy

SIZE, FRAMES, ROUNDS = (1280, 720), 75, 3


def run(*, quick: bool) -> list[Row]:
    """CPU seconds and bytes per megapixel of each codec, in turn, one encoder thread."""
    size, count, rounds = ((320, 180), 10, 1) if quick else (SIZE, FRAMES, ROUNDS)
    frames = jpegs(*size, count)
    megapixels = size[0] * size[1] / 1e6 * count
    rows = []
    with TemporaryDirectory(prefix="platereel-bench-") as name:
        paths = {codec: Path(name) / f"{codec}.mp4" for codec in CODED}
        costs = in_turn(
            {
                codec: partial(
                    write_clip,
                    frames,
                    [RecordingPolicy(codec=codec, fps=FPS, encoder="software")],
                    size,
                    path,
                )
                for codec, path in paths.items()
            },
            rounds,
        )
        for codec, path in paths.items():
            rows.append(
                report(
                    f"{codec}, {size[1]}p", "CPU s per megapixel", costs[codec].cpu_s / megapixels
                )
            )
            rows.append(
                report(
                    f"{codec}, {size[1]}p", "bytes per megapixel", path.stat().st_size / megapixels
                )
            )
    return rows
