"""Capture: cameras to the frame buffer, against bare loops that receive the same streams and store
the same pictures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks import bare_capture
from benchmarks.cameras import h264_packets, mjpeg_cameras, rtsp_cameras
from benchmarks.harness import ROUNDS, Row, compare, report
from benchmarks.scene import jpegs
from benchmarks.site import Site, cpu_s_of, site, wait_for

WIDTH, HEIGHT = 1280, 720
HTTP_CAMERAS, RTSP_CAMERAS, FPS, SECONDS = 8, 4, 30, 8.0
WARM_SECONDS = 1.0


def run(*, quick: bool) -> list[Row]:
    """Frames per CPU second of the capture process, over HTTP and over RTSP."""
    size = (320, 180) if quick else (WIDTH, HEIGHT)
    frames = jpegs(*size, FPS)
    rows: list[Row] = []
    with mjpeg_cameras(frames, FPS) as address:
        rows += _compare(
            case="ready JPEG over HTTP",
            sources=[f"{address}/{number}" for number in range(2 if quick else HTTP_CAMERAS)],
            peer=bare_capture.receive,
            target=">= 1.0",
            quick=quick,
        )
    with rtsp_cameras(h264_packets(frames, *size, FPS, FPS), FPS) as address:
        rows += _compare(
            case="RTSP H.264",
            sources=[f"{address}/{number}" for number in range(1 if quick else RTSP_CAMERAS)],
            peer=bare_capture.decode,
            target=">= 1.15",
            quick=quick,
        )
    return rows


def _compare(
    *, case: str, sources: list[str], peer: bare_capture.Loop, target: str, quick: bool
) -> list[Row]:
    """Ours and the peer in turn, each with all cameras for some seconds; and what Redis used."""
    seconds, rounds = (1.5, 1) if quick else (SECONDS, ROUNDS)
    cameras = "".join(
        f'  cam{n}: {{source: "{source}", detect: false}}\n' for n, source in enumerate(sources)
    )
    keys = {f"platereel:frames:{{cam{n}}}": source for n, source in enumerate(sources)}
    ours, server, bare = [], [], []
    with site(
        f"defaults: {{fps: {FPS}, buffer_seconds: 1, trigger_slack_seconds: 1}}\ncameras:\n{cameras}"
    ) as place:
        for _ in range(rounds):
            with _capture(place) as pids:
                frames, used_s, redis_s = _used(place, list(keys), pids, seconds)
                ours.append(frames / used_s)
                server.append(redis_s * 1e6 / frames)
            with bare_capture.running(peer, keys, place.addresses.frames) as pid:
                frames, used_s, _ = _used(place, list(keys), [pid], seconds)
                bare.append(frames / used_s)
            with place.frames() as client:
                client.flushdb()
    return [
        compare(
            case=case,
            metric="frames per CPU s",
            ours=median(ours),
            peer=median(bare),
            target=target,
        ),
        report(case, "CPU microseconds of Redis per frame", median(server)),
    ]


@contextmanager
def _capture(place: Site) -> Iterator[list[int]]:
    """Our process; its ids. What it has stored is deleted at its end."""
    place.run("capture", "capture")
    yield place.pids("capture")
    place.stop("capture")
    with place.frames() as client:
        client.flushdb()


def _used(
    place: Site, keys: list[str], pids: list[int], seconds: float
) -> tuple[int, float, float]:
    """Frames stored in some seconds, and CPU seconds of the processes and of the frames Redis
    meanwhile.
    """
    with place.frames() as client:

        def stored() -> int:
            streams: list[Any] = [client.xinfo_stream(name) for name in keys]
            return sum(int(stream["entries-added"]) for stream in streams)

        wait_for("every camera", lambda: client.exists(*keys) == len(keys))
        time.sleep(WARM_SECONDS)
        before = stored(), sum(map(cpu_s_of, pids)), place.cpu_s("redis-frames")
        time.sleep(seconds)
        after = stored(), sum(map(cpu_s_of, pids)), place.cpu_s("redis-frames")
        return after[0] - before[0], after[1] - before[1], after[2] - before[2]
