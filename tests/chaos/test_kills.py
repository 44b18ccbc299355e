"""Kill things while they record; the clip is there all the same, once and complete."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.chaos import FULL
from tests.support.deployment import Deployment, clean_environment, platereel
from tests.support.numbers import numbers_of_clip
from tests.support.waiting import wait_until

CONFIG = """
defaults: {buffer_seconds: 3, post_event_seconds: 6, part_seconds: 2}
cameras:
  one: {source: "synthetic:numbered?size=320x180", detect: false}
  two: {source: "synthetic:numbered?size=320x180", detect: false}
  # A long pre-roll: capture is back, however slow the machine, before its absence counts as
  # silence.
  three: {source: "synthetic:numbered?size=320x180", detect: false, buffer_seconds: 20}
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    running = Deployment(tmp_path_factory.mktemp("chaos"), CONFIG)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def of_folder(folder: Path) -> list[int]:
    """Processes, of whatever parent, whose environment names a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def whole(
    deployment: Deployment, camera: str, detection: str, number: int, seconds: tuple[int, int]
) -> None:
    """One READY segment with every frame of [-before, +after) around the detection, once."""
    (segment,) = deployment.clips_of(detection, 90)
    assert segment["status"] == "ready", segment
    assert (segment["frames_lost"], segment["truncated_reason"]) == (0, None)
    numbers = numbers_of_clip(deployment.download(segment))[0]
    first = numbers[0]
    assert first is not None
    assert numbers == list(range(first, first + len(numbers)))
    assert abs(first - (number - seconds[0] * 15)) <= 1
    assert abs(len(numbers) - sum(seconds) * 15) <= 1
    rows = deployment.query("SELECT status FROM video_segments WHERE camera_id = %s", camera)
    assert rows == [{"status": "ready"}]


def test_kill_a_writer_in_the_middle_of_a_part(deployment: Deployment) -> None:
    """Its whole tree, while a part is running: the lease runs out, another run makes the part."""
    deployment.wait_buffered("one", 4)
    captured_ms, number = deployment.newest("one")
    deployment.detect("one", captured_ms, "one-1")

    def running() -> bool:
        return bool(deployment.query("SELECT FROM segment_parts WHERE state = 'running'"))

    with psycopg.connect(deployment.run["database_url"], autocommit=True) as connection:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if (
                connection.execute("SELECT FROM segment_parts WHERE state = 'running'").fetchone()
                is not None
            ):
                break
        writer = deployment.refresh()["pids"]["worker"][0]
        tree = [*children(writer), writer]
        for pid in tree:
            os.kill(pid, signal.SIGKILL)
        killed_in_the_middle = connection.execute(
            "SELECT FROM segment_parts WHERE state = 'running'"
        ).fetchone()
    assert killed_in_the_middle is not None
    whole(deployment=deployment, camera="one", detection="one-1", number=number, seconds=(3, 6))
    assert writer not in deployment.refresh()["pids"]["worker"]


def test_kill_the_dispatcher_between_two_parts(deployment: Deployment) -> None:
    deployment.wait_buffered("two", 4)
    captured_ms, number = deployment.newest("two")
    deployment.detect("two", captured_ms, "two-1")
    wait_until(
        "the first part",
        lambda: deployment.query(
            "SELECT FROM segment_parts p JOIN video_segments s ON s.id = segment_id "
            "WHERE camera_id = 'two' AND state = 'done' AND s.status = 'recording'"
        ),
    )
    (dispatcher,) = deployment.refresh()["pids"]["dispatch"]
    os.kill(dispatcher, signal.SIGKILL)
    whole(deployment=deployment, camera="two", detection="two-1", number=number, seconds=(3, 6))
    assert deployment.refresh()["pids"]["dispatch"] != [dispatcher]


def test_a_killed_capture_process_is_replaced_and_the_gap_is_told(deployment: Deployment) -> None:
    deployment.wait_buffered("three", 4)
    captured_ms, _ = deployment.newest("three")
    deployment.detect("three", captured_ms, "three-1")
    (capture,) = deployment.refresh()["pids"]["capture"]
    os.kill(capture, signal.SIGKILL)
    (segment,) = deployment.clips_of("three-1", 90)
    assert segment["status"] == "ready"
    assert segment["frames_lost"] > 0
    assert "capture_interrupted" in {gap["cause"] for gap in segment["gaps"]}
    numbers = numbers_of_clip(deployment.download(segment))[0]
    assert len(numbers) == segment["frame_count"]


@pytest.mark.skipif(not FULL, reason="half a minute and more; make chaos runs it")
def test_stop_and_start_again_on_the_same_folder(tmp_path: Path) -> None:
    """SIGTERM in the middle of a recording: within 15 s, the clip is whole up to the stop, and a
    new start goes on.
    """
    running = Deployment(tmp_path, CONFIG)
    running.start()
    try:
        running.wait_buffered("one", 4)
        captured_ms, number = running.newest("one")
        running.detect("one", captured_ms, "before")
        time.sleep(2)
        assert running.stop() < 15
        assert not (tmp_path / "data" / "run.json").exists()
        assert not [
            pid
            for pids in running.run["pids"].values()
            for pid in pids
            if Path(f"/proc/{pid}").exists()
        ]
        running.start()
        (segment,) = running.clips_of("before")
        assert segment["status"] == "ready"
        numbers = numbers_of_clip(running.download(segment))[0]
        first = numbers[0]
        assert first is not None
        assert abs(first - (number - 45)) <= 1
        assert numbers == list(range(first, first + len(numbers)))
        assert len(numbers) > 60
    finally:
        running.stop()


@pytest.mark.skipif(not FULL, reason="as tests of stopping do it; make chaos runs it")
def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    running = Deployment(tmp_path, CONFIG)
    running.start()
    assert running.process is not None
    pids = [pid for each in running.run["pids"].values() for pid in each]
    workers = running.run["pids"]["worker"]
    wait_until("the workers' pools", lambda: all(children(pid) for pid in workers))
    pids += [child for pid in workers for child in children(pid)]
    assert len(pids) > 14
    running.process.kill()
    running.process.wait()
    wait_until(
        "everything to end", lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()], 15
    )
    assert not of_folder(tmp_path)


def test_every_process_gives_a_sign_of_life_and_a_frozen_one_none(
    tmp_path: Path, deployment: Deployment
) -> None:
    """As a container's health check sees it: SIGSTOP, and the sign grows old. make chaos has each
    kind of process do so.
    """
    kinds = (
        ("worker", ["worker", "--concurrency", "1"]),
        ("dispatch", ["dispatch"]),
        ("capture", ["capture"]),
    )
    for name, arguments in kinds if FULL else kinds[:1]:
        file = tmp_path / name
        env = {
            "PLATEREEL_PULSE_FILE": str(file),
            "PLATEREEL_CONFIG": str(deployment.folder / "platereel.yaml"),
        }
        for address in ("database", "frames", "broker", "storage"):
            env[f"PLATEREEL_{address.upper()}_URL"] = deployment.run[f"{address}_url"]
        if name == "capture":
            # so that it does not take its share of the cameras
            env["PLATEREEL_REDIS_PREFIX"] = "elsewhere"
        process = subprocess.Popen(
            [sys.executable, "-m", "platereel", *arguments],
            env=clean_environment() | env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(f"a sign of life of {name}", file.exists, 30)
            assert platereel("health", "--within", "30", environment=env).returncode == 0
            process.send_signal(signal.SIGSTOP)
            time.sleep(3)
            frozen = platereel("health", "--within", "2", environment=env)
            assert (frozen.returncode, "sign of life" in frozen.stderr) == (1, True)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(20)


@pytest.mark.skipif(not FULL, reason="half a minute and more; make chaos runs it")
def test_two_writers_share_simultaneous_recordings(tmp_path: Path) -> None:
    """Parts that are due together are made by different processes."""
    config = CONFIG + "log_level: debug\nlog_format: json\n"
    running = Deployment(tmp_path, config)
    running.start()
    try:
        for camera in ("one", "two", "three"):
            running.wait_buffered(camera, 4)
            running.detect(camera, running.newest(camera)[0], f"{camera}-shared")
        for camera in ("one", "two", "three"):
            (segment,) = running.clips_of(f"{camera}-shared")
            assert segment["status"] == "ready"
        log = (tmp_path / "data" / "logs" / "worker-parts.log").read_text()
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        writers = {line["pid"] for line in lines if line["event"] == "part_written"}
        assert len(writers) == 2
    finally:
        running.stop()
