"""What is large, far or late: clips of 100 MB over a slow line, 20,000 parts that wait, readers
that are behind.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from services.dispatch.offers import QUEUE_BOUND
from shared.domain.policy import RecordingPolicy
from tests.chaos.checker import check, quiet
from tests.chaos.endure import Row, recovery
from tests.chaos.faults import MATRIX
from tests.chaos.large_camera import LargeCamera
from tests.chaos.site import WRITERS, Site
from tests.chaos.traffic import Traffic
from tests.support.chaos import FULL
from tests.support.filming import filming
from tests.support.h264 import FPS

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not FULL, reason="minutes each; make chaos runs them"),
]
MEGABYTE = 1_000_000
PARTS = 20_000
AWAY_SECONDS = float(os.environ.get("CHAOS_AWAY_SECONDS", "60"))
COPIED_FAULTS = (
    "writer child killed in a part",
    "dispatcher killed",
    "broker killed, restarted with its file",
    "Postgres killed",
    "S3 stopped (SIGSTOP)",
    "S3 loses an acknowledged clip",
    "connections reset",
    "network slow",
    "broker, Postgres and store 100 ms away",
    "capture process killed",
)
Told = Callable[[Row], None]


@pytest.mark.parametrize("megabytes_a_second", [1, 8])
def test_a_clip_of_a_hundred_megabytes_over_a_slow_line(
    tmp_path: Path, megabytes_a_second: int, told: Told
) -> None:
    """Its parts come down the line and the clip goes up it, at 100 ms: READY in the end, tried
    once.
    """
    camera = LargeCamera(fps=10, picture_bytes=250_000)
    large = {"source": camera.url, "codec": "mjpeg", "unnumbered": True, "post_event_seconds": 36,
             "max_segment_seconds": 60, "max_buffer_bytes": 600 * MEGABYTE}  # fmt: skip
    site = Site(tmp_path / "site", {"large": large, "probe": {}})
    row = Row(
        key="F27",
        fault=f"clip of 100 MB, store at {megabytes_a_second} MB/s and 100 ms",
        injected=1,
    )
    try:
        site.start()
        site.wait_frames(8)
        since, traffic = time.time(), Traffic(site, site.history, 1)
        traffic.publish("large", time.time() - 0.3, "http")
        site.sleep(34)
        site.proxies["storage"].slow(latency_s=0.05, bytes_per_s=megabytes_a_second * MEGABYTE)
        clip = "SELECT status, file_size_bytes, attempts, retries FROM video_segments WHERE camera_id = 'large'"
        site.wait("the clip", lambda: site.query(clip)[0]["status"] in {"ready", "failed"}, 900)
        site.proxies["storage"].heal()
        (found,) = site.query(clip)
        assert found["status"] == "ready"
        assert found["file_size_bytes"] > 90 * MEGABYTE
        assert (found["attempts"], found["retries"]) == (1, 0)
        row.slowest_recovery_s = recovery(site, traffic)
        quiet(site, 240)
        row.take(check(site, {}, since))
        told(row)
    finally:
        site.close()
        camera.close()


def test_twenty_thousand_parts_wait_for_writers_and_are_written_when_they_are_back(
    tmp_path: Path, told: Told
) -> None:
    """The queue stays short and the broker's memory flat, however long they are away; then all is
    done at once.
    """
    site = Site(tmp_path / "site", {"probe": {}})
    row = Row(
        key="F28", fault=f"writers away {AWAY_SECONDS:.0f} s with {PARTS:,} parts due", injected=1
    )
    try:
        site.start()
        site.wait_frames(4)
        since, traffic = time.time(), Traffic(site, site.history, 1)
        before = broker_bytes(site)
        lengths = []
        with site.down(WRITERS[0]), site.down(WRITERS[1]):
            waiting_parts(site, PARTS)
            until = time.monotonic() + AWAY_SECONDS
            while time.monotonic() < until:
                site.sleep(1)
                with site.redis("broker") as client:
                    waiting: Any = client.llen("parts")
                lengths.append(int(waiting))
            grown = broker_bytes(site) - before
        began = time.monotonic()
        unfinished = "SELECT count(*) AS n FROM segment_parts WHERE state NOT IN ('done', 'gap')"
        site.wait("all parts", lambda: site.query(unfinished)[0]["n"] == 0, 900)
        took = time.monotonic() - began
        row.notes.append(
            f"queue {max(lengths)} at most, broker {grown / 1e6:+.1f} MB, {PARTS / took:.0f} parts a second"
        )
        assert max(lengths) <= 2 * QUEUE_BOUND + 200
        assert lengths[-1] <= 2 * QUEUE_BOUND + 200
        assert grown < 20 * MEGABYTE
        row.slowest_recovery_s = recovery(site, traffic)
        quiet(site, 240)
        row.take(check(site, site.history.acknowledged(since), since))
        told(row)
    finally:
        site.close()


def broker_bytes(site: Site) -> int:
    with site.redis("broker") as client:
        return int(client.info("memory")["used_memory"])


def waiting_parts(site: Site, count: int, each: int = 100) -> None:
    """Closed segments of cameras that are long gone, with parts that nobody has written."""
    policy = Jsonb(RecordingPolicy(part_seconds=1).to_json())
    with psycopg.connect(site.urls["database"]) as connection:
        for number in range(count // each):
            segment = uuid4()
            connection.execute(
                """
                INSERT INTO video_segments (id, camera_id, status, file_path, thumbnail_path, start_time, deadline,
                       trigger_time, covered_to, policy, codec, fps)
                SELECT %(id)s, %(camera)s, 'finalizing', 'videos/waiting/' || %(id)s || '.mp4', NULL,
                       t, t + %(long)s, t, t + %(long)s, %(policy)s, 'h264', 10
                  FROM (SELECT now() - interval '1 h' AS t) moment
                """,
                {"id": segment, "camera": f"gone-{number}", "long": f"{each} s", "policy": policy},
            )
            connection.execute(
                """
                INSERT INTO segment_parts (id, segment_id, number, start_time, end_time)
                SELECT gen_random_uuid(), %(id)s, n, now() - interval '1 h' + n * interval '1 s',
                       now() - interval '1 h' + (n + 1) * interval '1 s' FROM generate_series(0, %(each)s - 1) n
                """,
                {"id": segment, "each": each},
            )


@pytest.mark.parametrize("lag_s", [2, 6, 9])
def test_a_reader_that_is_late_makes_one_clip(tmp_path: Path, lag_s: float, told: Told) -> None:
    """A car in front of the camera, read five times a second for half a minute by a reader that is
    behind.
    """
    one = {"max_segment_seconds": 120}
    site = Site(tmp_path / "site", {"one": one, "probe": {}})
    row = Row(key="F29", fault=f"reader {lag_s:g} s late", injected=1)
    try:
        site.start()
        site.wait_frames(12)
        since, traffic = time.time(), Traffic(site, site.history, 1)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            traffic.publish("one", time.time() - lag_s, "http")
            site.sleep(0.2)
        quiet(site, 240)
        clips = site.query("SELECT status FROM video_segments WHERE camera_id = 'one'")
        assert [clip["status"] for clip in clips] == ["ready"]
        row.slowest_recovery_s = recovery(site, traffic)
        quiet(site, 240)
        row.take(check(site, site.history.acknowledged(since), since))
        told(row)
        assert row.frames_lost == 0
    finally:
        site.close()


def test_a_copied_camera_endures_the_same_faults(tmp_path: Path, seed: int, told: Told) -> None:
    """Its clips decode to as many pictures as their rows say, whatever dies while they are made."""
    chance = random.Random(seed)
    with filming(20) as (url, _):
        copied = {"source": url, "codec": "auto", "unnumbered": True, "capture_fps": FPS}
        site = Site(tmp_path / "site", {"copied": copied, "probe": {}})
        row = Row(key="F30", fault="copied RTSP camera: kills, restarts, a slow network", seed=seed)
        try:
            site.start(live=False)
            site.wait("packets", lambda: packets(site) > FPS * 8, 60)
            since = time.time()
            with Traffic(site, site.history, seed) as traffic:
                for fault in (fault for fault in MATRIX if fault.name in COPIED_FAULTS):
                    traffic.publish("copied", time.time() - 0.3, "http")
                    fault.inject(site, chance)
                    row.injected += 1
                    row.slowest_recovery_s = max(row.slowest_recovery_s, recovery(site, traffic))
            quiet(site, 240)
            row.take(check(site, site.history.acknowledged(since), since))
            told(row)
            clips = site.query("SELECT status FROM video_segments WHERE camera_id = 'copied'")
            assert len(clips) > 2
            assert {clip["status"] for clip in clips} == {"ready"}
            assert row.injected == len(COPIED_FAULTS)
        finally:
            site.close()


def packets(site: Site) -> int:
    with site.redis("frames") as client:
        found: Any = client.xlen("platereel:packets:{copied}")
    return int(found)
