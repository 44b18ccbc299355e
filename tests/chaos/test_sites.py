"""Faults that need a site of their own: poison, full disks, wrong clocks, wild cameras, an event of
an hour.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker import check, quiet
from tests.chaos.endure import Row, recovery
from tests.chaos.gauges import gauges, grown
from tests.chaos.history import History
from tests.chaos.poisoned import KINDS, MARKS
from tests.chaos.site import ROLES, Site, running
from tests.chaos.traffic import Traffic
from tests.chaos.wild_camera import MODES, WildCamera
from tests.support.chaos import FULL

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not FULL, reason="minutes each; make chaos runs them"),
]
ROOT = Path(__file__).parents[2]
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
DETECTION_EVERY_SECONDS = 3.0
Told = Callable[[Row], None]


def judged(site: Site, history: History, since: float, row: Row) -> Row:
    quiet(site, 240)
    row.take(check(site, history.acknowledged(since), since))
    return row


def test_poison_costs_its_own_part_and_nothing_else(tmp_path: Path, told: Told) -> None:
    """MemoryError, a segfault, an exit, 8 GB, an unforeseen error: five attempts, then a gap that
    is told.
    """
    kinds = {quality: kind for quality, kind in KINDS.items() if kind != "loop"}
    cameras: dict[str, dict[str, Any]] = {
        kind: {"quality": quality} for quality, kind in kinds.items()
    }
    env = {MARKS: str(tmp_path), "PYTHONPATH": str(ROOT)}
    site = Site(
        tmp_path / "site",
        {**cameras, "probe": {}},
        env=dict.fromkeys(("parts-1", "parts-2"), env),
        programs=dict.fromkeys(("parts-1", "parts-2"), "tests.chaos.poisoned"),
    )
    row = Row(
        key="F4", fault="poison: MemoryError, segfault, exit, 8 GB, error", injected=len(kinds)
    )
    with running(site):
        history = site.history
        since = time.time()
        traffic = Traffic(site, history, 1)
        for camera in cameras:
            traffic.publish(camera, time.time() - 0.3, "http")
        for _ in range(8):
            row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
            site.sleep(2)
        told(judged(site, history, since, row))
        parts = site.query(
            "SELECT camera_id, gaps, truncated_reason FROM video_segments WHERE camera_id <> 'probe'"
        )
        assert {part["camera_id"] for part in parts} == set(cameras)
        for part in parts:
            assert part["truncated_reason"] == "writer_failed", part
            assert {gap["cause"] for gap in part["gaps"]} == {"writer_failed"}, part
        assert [site.members[name].restarts for name in ("parts-1", "parts-2")] == [0, 0]
    assert row.slowest_recovery_s < 20


def test_an_endless_task_is_ended_and_its_part_given_up(tmp_path: Path, told: Told) -> None:
    env = {MARKS: str(tmp_path), "PYTHONPATH": str(ROOT)}
    site = Site(
        tmp_path / "site",
        {"loop": {"quality": 46}, "probe": {}},
        env=dict.fromkeys(("parts-1", "parts-2"), env),
        programs=dict.fromkeys(("parts-1", "parts-2"), "tests.chaos.poisoned"),
    )
    row = Row(key="F4", fault="poison: a task that never ends", injected=1)
    with running(site):
        history = site.history
        since = time.time()
        traffic = Traffic(site, history, 1)
        traffic.publish("loop", time.time() - 0.3, "http")
        for _ in range(20):
            row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
            site.sleep(8)
        told(judged(site, history, since, row))
        (clip,) = site.query(
            "SELECT status, truncated_reason FROM video_segments WHERE camera_id = 'loop'"
        )
        # Five attempts of half a minute outlast the hold; whichever comes first, the clip says so.
        assert clip["status"] == "ready"
        assert clip["truncated_reason"] in {"writer_failed", "buffer_expired"}


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory."""
    path.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(
            f"a small disk cannot be mounted here ({done.stderr.strip()}); ENOSPC is injected in the contract tests"
        )
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@contextmanager
def filled(path: Path) -> Iterator[None]:
    """Not a byte is left on that disk for the length of a block."""
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(65_536))
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.parametrize("full", ["storage", "database", "broker"])
def test_a_full_disk_loses_nothing(tmp_path: Path, full: str, seed: int, told: Told) -> None:
    """While it is full, work waits where there is room; when there is room again it goes on by
    itself.
    """
    with small_disk(
        tmp_path / "disk", {"storage": 40, "database": 220, "broker": 40}[full]
    ) as disk:
        site = Site(
            tmp_path / "site",
            {"one": {}, "two": {}, "probe": {}},
            file_storage=disk / "store" if full == "storage" else None,
            server_folders={full: disk} if full != "storage" else {},
        )
        row = Row(key="F15", fault=f"disk full: {full}", seed=seed)
        with running(site):
            history = site.history
            since = time.time()
            with Traffic(
                site, history, seed, ("http",) if full == "broker" else ("http", "stream")
            ) as traffic:
                for _ in range(2):
                    site.sleep(3)
                    with filled(disk):
                        site.sleep(10)
                    row.injected += 1
                    row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
            told(judged(site, history, since, row))
            assert (row.frames_lost - row.handed_over, row.failed) == (0, 0), row.notes


@pytest.mark.apt
def test_wrong_clocks_end_nothing_early_and_leave_nothing_open(
    tmp_path: Path, seed: int, told: Told
) -> None:
    """Steps of an hour under dispatch and beat, of ten minutes under writers (S3 refuses more);
    then they drift.
    """
    if not FAKETIME.exists():
        pytest.skip("libfaketime is not installed (apt-get install libfaketime)")
    files = {name: tmp_path / f"time-{name}" for name in ("ahead", "behind", "writers")}
    _set_clocks(files.values(), (0, 0, 0))
    chosen = {
        "dispatch-1": "ahead", "beat-1": "ahead", "dispatch-2": "behind", "upkeep-1": "writers",
        "parts-1": "writers", "finalise-1": "writers",
    }  # fmt: skip
    env = {
        role: {
            "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(files[which]), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        for role, which in chosen.items()
    }  # fmt: skip
    site = Site(tmp_path / "site", {"one": {}, "two": {}, "probe": {}}, env=env)
    row = Row(key="F18", fault="clocks step by an hour and back, and drift", seed=seed)
    with running(site):
        history = site.history
        since = time.time()
        with Traffic(site, history, seed) as traffic:
            for steps in ((3600, -3600, 600), (0, 0, 0), (-3600, 3600, -600), (0, 0, 0)):
                _set_clocks(files.values(), steps)
                row.injected += 1
                site.sleep(7)
                row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
            # two clocks drift apart by half a second a second, one by a tenth
            for tick in range(20):
                _set_clocks(files.values(), (tick * 0.25, tick * -0.25, tick * 0.05))
                site.sleep(0.5)
            row.injected += 1
            row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
        told(judged(site, history, since, row))
        assert (row.frames_lost - row.handed_over, row.failed) == (0, 0), row.notes


def _set_clocks(files: Iterable[Path], offsets: tuple[float, ...]) -> None:
    for file, offset in zip(files, offsets, strict=True):
        file.write_text(f"{offset:+.2f}\n")


def test_a_wild_camera_harms_nobody(tmp_path: Path, seed: int, told: Told) -> None:
    """Every mode twice while it is being recorded: clips decode, others are whole, bad pictures are
    counted.
    """
    camera = WildCamera()
    try:
        site = Site(
            tmp_path / "site",
            {"one": {}, "probe": {}, "wild": {"source": camera.url, "unnumbered": True}},
        )
        row = Row(key="F20", fault="camera freezes, stops, sends damage, changes size", seed=seed)
        with running(site):
            history = site.history
            since = time.time()
            chance = random.Random(seed)
            with Traffic(site, history, seed) as traffic:
                for mode in chance.sample(MODES, len(MODES)) * 2:
                    camera.mode = mode
                    row.injected += 1
                    site.sleep(3)
                camera.mode = "good"
                row.slowest_recovery_s = recovery(site, traffic)
            told(judged(site, history, since, row))
            with site.redis("frames") as client:
                state: Any = client.hgetall("platereel:camera:{wild}")
            assert int(state[b"bad_frames"]) > 10
            clips = site.query(
                "SELECT status FROM video_segments WHERE camera_id = 'wild' AND status = 'ready'"
            )
            assert clips
            assert [site.members[name].restarts for name in site.roles] == [0] * len(site.roles)
    finally:
        camera.close()


def test_writers_away_for_longer_than_a_hold_leave_a_gap_that_is_told(
    tmp_path: Path, told: Told
) -> None:
    site = Site(tmp_path / "site", {"capped": {"hold_cap_seconds": 13}, "probe": {}})
    row = Row(key="F22", fault="writers away for longer than the hold cap", injected=1)
    with running(site):
        history = site.history
        since = time.time()
        with Traffic(site, history, 1) as traffic:
            site.sleep(4)
            with site.frozen("parts-1", "parts-2"):
                site.sleep(32)
            row.slowest_recovery_s = recovery(site, traffic)
        told(judged(site, history, since, row))
        gaps = site.query("SELECT gaps FROM video_segments WHERE camera_id = 'capped'")
        causes = {gap["cause"] for clip in gaps for gap in clip["gaps"]}
        assert "buffer_expired" in causes
        assert row.frames_lost > 0


def test_two_beats_take_one_turn_each_period(tmp_path: Path, told: Told) -> None:
    site = Site(tmp_path / "site", {"probe": {}}, roles=ROLES | {"beat-2": ["beat"]})
    row = Row(key="F19", fault="two beats", injected=1)
    with running(site):
        history = site.history
        since = time.time()
        row.slowest_recovery_s = recovery(site, Traffic(site, history, 1))
        site.sleep(26)
        turns = site.query(
            "SELECT requested_at FROM jobs WHERE kind = 'cleanup' AND regular ORDER BY requested_at"
        )
        told(judged(site, history, since, row))
    times = [turn["requested_at"].timestamp() for turn in turns]
    assert 3 <= len(times) <= 8
    assert all(b - a > 4 for a, b in pairwise(times))


def test_an_event_of_an_hour_in_constant_memory(tmp_path: Path, told: Told) -> None:
    """Twenty times as fast; detections all the way; a writer's tree is killed twice. Twelve clips,
    every frame once.
    """
    fps, hour, speed = 5, 3600, 20
    source = f"synthetic:numbered?size=320x180&fps={fps}&speed={speed}&frames={hour * fps}"
    # Numbers begin anew with every run and are held against the rows below, not against the wall
    # clock.
    long = {
        "source": source,
        "fps": fps,
        "post_event_seconds": 30,
        "buffer_seconds": 60,  # capture's own memory is as long: three seconds at this speed
        "max_segment_seconds": 300,
        "part_seconds": 5,
        "hold_cap_seconds": 600,
    }
    site = Site(tmp_path / "site", {"hour": long | {"unnumbered": True}})
    row = Row(key="F23", fault="an event of an hour, writers killed in it")
    try:
        site.start(live=False)
        history = site.history
        traffic = Traffic(site, history, 1)
        began, since, before = time.monotonic(), time.time(), gauges(site)
        last = 0.0
        while time.monotonic() - began < hour / speed - 5:
            newest = site.newest_ms("hour") / 1000
            if newest - last >= DETECTION_EVERY_SECONDS:
                traffic.publish("hour", newest, "http")
                last = newest
            elapsed = time.monotonic() - began
            if row.injected == 0 and elapsed > 60:
                site.kill_tree("parts-1")
                row.injected += 1
            site.sleep(0.05)
        site.kill_tree("parts-2")
        row.injected += 1
        quiet(site, 240)
        row.take(check(site, history.acknowledged(), since - hour))
        told(row)
        assert grown(before, gauges(site)) == []
        clips = site.query(
            "SELECT * FROM video_segments WHERE status = 'ready' ORDER BY start_time"
        )
        assert 11 <= len(clips) <= 16
        assert all(clip["frames_lost"] == 0 for clip in clips)
        assert all(a["deadline"] == b["start_time"] for a, b in pairwise(clips))
        assert sum(clip["frame_count"] for clip in clips) > (hour - 300) * fps
    finally:
        site.close()
