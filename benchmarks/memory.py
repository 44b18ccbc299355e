"""Memory: what a buffered JPEG byte costs in Redis, and whether capture and writers stay as large
as they are.
"""

from __future__ import annotations

import json
import os
import time
from statistics import median
from typing import Any

from benchmarks.cameras import mjpeg_cameras
from benchmarks.harness import Row, compare, report
from benchmarks.scene import jpegs
from benchmarks.site import Site, site, wait_for
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import frame_servers
from shared.domain.media import Frame
from shared.domain.ports import BufferLimits
from shared.wire.keys import Keys

FPS, CAMERAS, LOOK_S, EVENT_S = 15, 4, 5.0, 12.0
SECONDS = float(os.environ.get("BENCH_MEMORY_SECONDS", "600"))
LIMITS = BufferLimits(keep_ms=15_000, cap_ms=60_000, max_bytes=1_000_000_000)


def run(*, quick: bool) -> list[Row]:
    """Redis first, then ten minutes of four cameras that are in an event half of the time."""
    size, seconds, look_s = ((320, 180), 3.0, 0.5) if quick else ((1280, 720), SECONDS, LOOK_S)
    frames = jpegs(*size, 30)
    with mjpeg_cameras(frames, FPS) as address:
        config = "defaults: {buffer_seconds: 2, post_event_seconds: 4, part_seconds: 2}\ncameras:\n"
        config += "".join(
            f'  cam{n}: {{source: "{address}/{n}", detect: false}}\n' for n in range(CAMERAS)
        )
        with site(config) as place:
            return [_per_byte(place, frames), *_flat(place, seconds, look_s)]


def _per_byte(place: Site, frames: list[bytes]) -> Row:
    """A buffer of fifteen seconds for eight cameras; what the server's used memory grew by."""
    buffer, held = RedisFrames(frame_servers(place.addresses.frames), Keys()), 0
    with place.frames() as client:
        before = _used(client.info("memory"))
        for camera in (f"filled{n}" for n in range(8)):
            batch = [
                Frame(
                    camera_id=camera,
                    captured_ms=10**12 + n * 67,
                    data=frames[n % len(frames)],
                    counter=n,
                    run_id="run",
                )
                for n in range(FPS * 15)
            ]
            buffer.append(batch, {camera: LIMITS})
            held += sum(len(frame.data) for frame in batch)
        used = _used(client.info("memory")) - before
        client.flushdb()
    return compare(
        case="frames Redis",
        metric="bytes used / JPEG bytes",
        ours=used,
        peer=held,
        target="<= 1.25",
    )


def _used(info: Any) -> int:
    return int(info["used_memory"])


def _flat(place: Site, seconds: float, look_s: float) -> list[Row]:
    for name, *arguments in (
        ("dispatch", "dispatch"),
        ("capture", "capture"),
        ("worker", "worker", "--queues", "parts,finalise", "--concurrency", "2"),
    ):
        place.run(name, *arguments)
    with place.frames() as frames, place.broker() as broker:
        wait_for(
            "frames", lambda: all(frames.xlen(Keys().frames(f"cam{n}")) for n in range(CAMERAS))
        )
        sizes: dict[str, list[int]] = {"capture": [], "worker": []}
        began, event_at, number = time.perf_counter(), 0.0, 0
        while (passed := time.perf_counter() - began) < seconds:
            if passed >= event_at:
                for camera in range(CAMERAS):
                    body = {
                        "detection_id": f"{number}-{camera}",
                        "camera_id": f"cam{camera}",
                        "confidence": 0.9,
                    }
                    broker.xadd("detections", {"json": json.dumps(body)})
                event_at, number = event_at + EVENT_S, number + 1
            time.sleep(look_s)
            for name, seen in sizes.items():
                seen.append(place.rss_bytes(name))
    rows = []
    for name, seen in sizes.items():
        third = max(1, len(seen) // 3)
        early, late = median(seen[third : 2 * third]), median(seen[2 * third :])
        case = f"{name}, {seconds:g} s"
        begins = median(seen[:third])
        rows += [
            report(case, f"RSS MB, {which} third", size / 1e6)
            for which, size in (("first", begins), ("last", late))
        ]
        rows.append(
            compare(
                case=case, metric="RSS last third / middle", ours=late, peer=early, target="<= 1.05"
            )
        )
    return rows
