"""Counters that several processes count together: summed, kept when a process ends, never twice, never backwards."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.runtime import metrics, metrics_folder
from shared.runtime.metrics_folder import MetricsFolder
from shared.runtime.metrics_room import ROOM_BYTES

ROOT = Path(__file__).parents[2]
COUNT = """
import os, sys
from pathlib import Path
from shared.runtime.metrics_folder import MetricsFolder
MetricsFolder(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])).enter()
from shared.runtime.metrics import CAMERA_OK, FRAMES, LATENESS, LIVE_SEGMENTS
FRAMES.labels("gate-1").inc(int(sys.argv[1]))
LATENESS.labels("gate-1").observe(3)
CAMERA_OK.labels("gate-1").set(1)
LIVE_SEGMENTS.set(7)
print("counted", flush=True)
sys.stdin.read()
"""


def counting(folder: Path, frames: int) -> subprocess.Popen[str]:
    """A process that has counted, and lives until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", COUNT, str(frames)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def end(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        process.kill()
    process.communicate()


def samples(folder: Path) -> dict[str, float]:
    """Every sample's value; a label that stands in the way of reading is left out."""
    return {
        f"{each.name}{each.labels.get('le', '')}": each.value
        for family in MetricsFolder(folder).collect()
        for each in family.samples
    }


def test_counters_add_up_over_processes_and_outlive_them(tmp_path: Path) -> None:
    first, second = counting(tmp_path, 3), counting(tmp_path, 4)
    both = samples(tmp_path)
    assert both["platereel_frames_total"] == 7
    assert both["platereel_detection_late_seconds_bucket5.0"] == both["platereel_detection_late_seconds_count"] == 2
    assert (both["platereel_live_segments"], both["platereel_camera_ok"]) == (7, 1)
    end(first)
    end(second, kill=True)
    ended = samples(tmp_path)
    gauges = {"platereel_live_segments", "platereel_camera_ok"}
    assert ended == {name: value for name, value in both.items() if name not in gauges}
    assert samples(tmp_path) == ended
    third = counting(tmp_path, 5)
    assert samples(tmp_path)["platereel_frames_total"] == 12
    end(third)


def test_files_do_not_grow_with_every_process_that_ever_ran(tmp_path: Path) -> None:
    """Nobody scrapes here: each process that begins folds those that ended before."""
    for _ in range(4):
        end(counting(tmp_path, 1), kill=True)
    assert len(list(tmp_path.glob("*.db"))) <= 3 + 2
    assert samples(tmp_path)["platereel_frames_total"] == 4
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["counter_ended.db", "histogram_ended.db"]


def test_torn_and_empty_files_cost_only_themselves(tmp_path: Path) -> None:
    end(counting(tmp_path, 2))
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    (tmp_path / "histogram_1.db").write_bytes(b"\xff\xff\xff\x00" + b"\x01" * 60)
    assert samples(tmp_path)["platereel_frames_total"] == 2


def test_a_full_disk_leaves_the_counts_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end(counting(tmp_path, 2))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as without_room:
        without_room.setattr(metrics_folder, "reserve", full)
        assert samples(tmp_path)["platereel_frames_total"] == 2
    assert samples(tmp_path)["platereel_frames_total"] == 2


def test_files_have_their_room_before_they_are_written(tmp_path: Path) -> None:
    process = counting(tmp_path, 1)
    for path in tmp_path.glob("*.db"):
        assert path.stat().st_blocks * 512 >= ROOM_BYTES, path
    end(process)


def test_more_cameras_than_there_was_room_for_are_folded_too(tmp_path: Path) -> None:
    script = COUNT.replace(
        "print(", "for n in range(400): LATENESS.labels('camera-' + str(n)).observe(1)\nprint("
    )  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", script, "1"], stdin=subprocess.DEVNULL, capture_output=True, check=True,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
    )  # fmt: skip
    found = [each for family in MetricsFolder(tmp_path).collect() for each in family.samples]
    assert sum(each.name.endswith("late_seconds_count") for each in found) == 401


def test_the_list_of_metrics_is_the_one_in_the_documentation() -> None:
    declared = {
        each._name + ("_total" if each._type == "counter" else ""): (each._type, set(each._labelnames))
        for each in vars(metrics).values()
        if hasattr(each, "_labelnames") and hasattr(each, "_documentation")
    }
    rows = re.findall(
        r"^\| `(platereel_\w+)` \| (\w+) \| ([^|]*) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    assert {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows} == declared
    assert len(rows) == len(declared) >= 11


def test_the_command_does_not_load_the_library_before_it_knows_where_to_count() -> None:
    script = "import platereel.cli, platereel.cli.counting, sys; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
