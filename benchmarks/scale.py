"""Scale: 32 recordings that are all due at once, made by one, two and four writer processes."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg

from benchmarks.harness import Row, compare, report
from benchmarks.scene import jpegs
from benchmarks.site import Site, site
from shared.adapters.clock import SystemClock
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import frame_servers
from shared.domain.media import Frame
from shared.domain.ports import BufferLimits
from shared.wire.keys import Keys

FPS, SECONDS, PART_SECONDS = 15, 6, 2
LIMITS = BufferLimits(keep_ms=600_000, cap_ms=600_000, max_bytes=1_000_000_000)


def run(*, quick: bool) -> list[Row]:
    """Recordings a second and frames per CPU second, against our own single writer."""
    cameras, size, writers = (2, (320, 180), (1, 2)) if quick else (32, (1280, 720), (1, 2, 4))
    frames = jpegs(*size, 15)
    names = [f"cam{number}" for number in range(cameras)]
    config = "defaults: {buffer_seconds: 2, post_event_seconds: 4, part_seconds: 2}\nencoder_threads: 1\ncameras:\n"
    config += "".join(f'  {name}: {{source: "push:", detect: false}}\n' for name in names)
    measured: dict[int, tuple[float, float]] = {}
    with site(config, frames_bytes=4_000_000_000) as place:
        place.run("dispatch", "dispatch")
        place.run("finalise", "worker", "--queues", "finalise", "--concurrency", "1")
        for count in writers:
            measured[count] = _round(place, names, frames, count)
        finalising = place.cpu_s("finalise") / (len(writers) * cameras)
    single = measured[writers[0]]
    rows = []
    for count in writers[1:]:
        target = ">= 1.8" if count == 2 else None  # noqa: PLR2004 - the machine has two cores
        rows.append(
            compare(
                case=f"{count} writers / 1",
                metric="frames per s",
                ours=measured[count][0],
                peer=single[0],
                target=target,
            )
        )
        rows.append(
            compare(f"{count} writers / 1", "frames per CPU s", measured[count][1], single[1])
        )
    return [*rows, report(f"finalise, {SECONDS} s", "CPU s per clip", finalising)]


def _round(
    place: Site, cameras: list[str], frames: list[bytes], writers: int
) -> tuple[float, float]:
    """Frames a second of the wall and of the writers' CPU, for one recording on every camera."""
    start_ms = SystemClock().now_ms() - (SECONDS + 1) * 1000
    buffer = RedisFrames(frame_servers(place.addresses.frames), Keys())
    for camera in cameras:
        moments = [start_ms + round(number * 1000 / FPS) for number in range((SECONDS + 1) * FPS)]
        batch = [
            Frame(
                camera_id=camera,
                captured_ms=ms,
                data=frames[n % len(frames)],
                counter=n,
                run_id=f"run{writers}",
            )
            for n, ms in enumerate(moments)
        ]
        buffer.append(batch, {camera: LIMITS})
    with place.database() as rows, place.broker() as broker:
        for camera in cameras:
            body = {
                "detection_id": f"{camera}-{writers}", "camera_id": camera, "confidence": 0.9,
                "captured_at": (start_ms + 2000) / 1000,
            }  # fmt: skip
            broker.xadd("detections", {"json": json.dumps(body)})
        parts = len(cameras) * SECONDS // PART_SECONDS
        place.wait_for("all parts to be due", lambda: _waiting(rows) >= parts, every_s=0.05)
        place.run("parts", "worker", "--queues", "parts", "--concurrency", str(writers))
        earlier = _done(rows)
        place.wait_for("the first part", lambda: _done(rows) > earlier, every_s=0.01)
        began, used, before = time.perf_counter(), place.cpu_s("parts"), _done(rows)
        place.wait_for("all parts", lambda: _waiting(rows) == 0, timeout_s=200, every_s=0.05)
        wall, cpu = time.perf_counter() - began, place.cpu_s("parts") - used
        made = (_done(rows) - before) * PART_SECONDS * FPS
        ready = (
            "SELECT count(*) AS n FROM video_segments s JOIN segment_detections l ON l.segment_id = s.id"
            " WHERE s.status = 'ready' AND l.detection_id LIKE %s"
        )
        ours = f"%-{writers}"
        place.wait_for(
            "all clips",
            lambda: _number(rows, ready, ours) == len(cameras),
            timeout_s=100,
            every_s=0.05,
        )
        place.stop("parts")
    with place.frames() as client:
        client.flushdb()
    return made / wall, made / cpu


def _waiting(rows: psycopg.Connection[dict[str, Any]]) -> int:
    return _number(
        rows, "SELECT count(*) AS n FROM segment_parts WHERE state NOT IN ('done', 'gap')"
    )


def _done(rows: psycopg.Connection[dict[str, Any]]) -> int:
    return _number(rows, "SELECT count(*) AS n FROM segment_parts WHERE state = 'done'")


def _number(rows: psycopg.Connection[dict[str, Any]], statement: str, *parameters: object) -> int:
    row = rows.execute(statement, parameters or None).fetchone()
    return 0 if row is None else int(row["n"])
