"""Every benchmark in its quick size, and what becomes of its rows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.chart import draw
from benchmarks.harness import Row, compare, holds, report, save
from benchmarks.lines import Panel, draw_lines
from tests.support.chaos import FULL

ROOT = Path(__file__).parents[2]
NEEDS = {"writer": "ffmpeg", "copy": "ffmpeg", "packets": "ffmpeg", "page": "chromium"}
# On one site: to start one takes longer than to try these.
TOGETHER = (("trigger", "intake", "alert", "lists"), ("capture", "ready"))
# These need cameras in real time, or a quarter of a minute, however tiny they are: only
# `make chaos` runs them.
LONG = {
    "density", "scale", "capture", "ready", "memory", "plates", "car_park", "packets", "page", "simulation",
    "api", "check", "retention",
}  # fmt: skip
ALONE = tuple((name,) for name in NAMES if not any(name in group for group in TOGETHER))


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(
            names, id="-".join(names), marks=pytest.mark.apt if NEEDS.keys() & {*names} else ()
        )
        for names in (*TOGETHER, *ALONE)
    ],
)
def test_it_runs(names: tuple[str, ...]) -> None:
    """In a process of its own, as `make bench` does."""
    for program in {NEEDS[name] for name in names if name in NEEDS}:
        if shutil.which(program) is None:
            assert "CI" not in os.environ, f"CI installs {program}"
            pytest.skip(f"it needs the command {program}: install it")
    if LONG & {*names} and not FULL:
        pytest.skip("it takes long: make chaos runs it")
    command = [sys.executable, "-m", "benchmarks", *names, "--quick"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert all(f"{name}: running" in done.stdout for name in names)
    assert done.stdout.count("ours") == len(names)


def test_ratios_and_targets() -> None:
    assert compare(case="a", metric="MB", ours=3.0, peer=4.0, target="<= 0.8") == Row(
        case="a", metric="MB", ours=3.0, peer=4.0, ratio=0.75, target="<= 0.8", met=True
    )
    assert compare(case="a", metric="frames", ours=3.0, peer=4.0, target=">= 0.8").met is False
    assert compare("a", "frames", 3.0, 4.0).met is None
    assert report("a", "MB", 5.0, "<= 4").met is False
    assert holds(1.4, ">= 1.4")


def test_results_and_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chart is well-formed, names every row with a peer, and escapes what it is told."""
    monkeypatch.setattr("benchmarks.harness.RESULTS", tmp_path)
    monkeypatch.setattr("benchmarks.chart.CHARTS", tmp_path)
    rows = [
        compare(case="a < b", metric="MB", ours=3.0, peer=4.0, target="<= 0.8"),
        compare("c", "s", 9.0, 3.0),
        report("alone", "MB", 5.0),
    ]
    assert '"ratio": 0.75' in save("trial", rows).read_text(encoding="utf-8")
    path = draw("trial", rows, "a machine")
    assert path is not None
    root = ET.parse(path).getroot()  # noqa: S314 - written a line above
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "a < b, MB" in texts
    assert "0.75" in texts
    assert "alone, MB" not in texts
    assert draw("nothing", [report("alone", "MB", 5.0)], "a machine") is None


def test_lines_over_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every panel has its lines and its highest value; an empty one is drawn, too."""
    monkeypatch.setattr("benchmarks.lines.CHARTS", tmp_path)
    panels = [
        Panel("age < s", (("part", [(0.0, 0.0), (2.0, 37.0)]), ("clip", [(1.0, 5.0)]))),
        Panel("nothing", (("tick", []),)),
    ]
    path = draw_lines("trial", "a machine", "minutes", panels, (0.5, 1.0, "away"))
    root = ET.parse(path).getroot()  # noqa: S314 - written a line above
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"age < s", "part", "clip", "nothing", "40", "away", "minutes"} <= set(texts)
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 3
