"""Capture: cameras to the frame buffer, against bare loops that do the same to the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import av
import cv2
import redis

from benchmarks.cameras import h264_packets, mjpeg_cameras, rtsp_cameras
from benchmarks.harness import ROUNDS, Row, compare, cost_of, report
from benchmarks.scene import jpegs
from benchmarks.site import Site, site, wait_for

WIDTH, HEIGHT = 1280, 720
HTTP_CAMERAS, HTTP_FPS, RTSP_FPS, SECONDS = 8, 30, 30, 8.0
JPEG_QUALITY, BARE_FRAMES = 85, 1000


def run(*, quick: bool) -> list[Row]:
    """Frames per CPU second of the capture process, over HTTP and over RTSP."""
    seconds, rounds = (1.5, 1) if quick else (SECONDS, ROUNDS)
    size = (320, 180) if quick else (WIDTH, HEIGHT)
    frames = jpegs(*size, 30)
    packets = h264_packets(frames, *size, RTSP_FPS, 30)
    rows: list[Row] = []
    with mjpeg_cameras(frames, HTTP_FPS) as address:
        sources = [f"{address}/{number}" for number in range(2 if quick else HTTP_CAMERAS)]
        rows += _compare(
            case="ready JPEG over HTTP",
            sources=sources,
            fps=HTTP_FPS,
            seconds=seconds,
            rounds=rounds,
            peer=partial(_bare_xadd, frames),
        )
    with rtsp_cameras(packets, RTSP_FPS) as address:
        rows += _compare(
            case="RTSP H.264",
            sources=[f"{address}/0"],
            fps=RTSP_FPS,
            seconds=seconds,
            rounds=rounds,
            peer=partial(_bare_decode, packets),
        )
    return rows


def _compare(
    case: str,
    sources: list[str],
    fps: int,
    seconds: float,
    rounds: int,
    peer: Callable[[str], None],
) -> list[Row]:
    """Ours with all cameras for some seconds, then the peer's BARE_FRAMES as fast as they go; and
    what Redis used.
    """
    cameras = "".join(
        f'  cam{n}: {{source: "{source}", detect: false}}\n' for n, source in enumerate(sources)
    )
    ours, server, bare = [], [], []
    with site(
        f"defaults: {{fps: {fps}, buffer_seconds: 1, trigger_slack_seconds: 1}}\ncameras:\n{cameras}"
    ) as place:
        for _ in range(rounds):
            place.run("capture", "capture")
            frames, capture_s, redis_s = _used(place, len(sources), seconds)
            ours.append(frames / capture_s)
            server.append(redis_s * 1e6 / frames)
            place.stop("capture")
            with place.frames() as client:
                client.flushdb()
            bare.append(BARE_FRAMES / cost_of(partial(peer, place.addresses.frames)).cpu_s)
    return [
        compare(
            case=case,
            metric="frames per CPU s",
            ours=median(ours),
            peer=median(bare),
            target=">= 0.85",
        ),
        report(case, "CPU microseconds of Redis per frame", median(server)),
    ]


def _used(place: Site, cameras: int, seconds: float) -> tuple[int, float, float]:
    """Frames stored in some seconds, and CPU seconds of capture and of the frames Redis
    meanwhile.
    """
    names = [f"platereel:frames:{{cam{n}}}" for n in range(cameras)]
    with place.frames() as client:

        def stored() -> int:
            streams: list[Any] = [client.xinfo_stream(name) for name in names]
            return sum(int(stream["entries-added"]) for stream in streams)

        wait_for("every camera", lambda: client.exists(*names) == cameras)
        time.sleep(1.0)
        frames, used, server = stored(), place.cpu_s("capture"), place.cpu_s("redis-frames")
        time.sleep(seconds)
        return (
            stored() - frames,
            place.cpu_s("capture") - used,
            place.cpu_s("redis-frames") - server,
        )


def _bare_xadd(frames: list[bytes], address: str) -> None:
    """One redis-py call a frame, trimmed; nothing is received, checked or counted."""
    client: redis.Redis = redis.Redis.from_url(address, protocol=2)
    for number in range(BARE_FRAMES):
        client.xadd("bare", {"j": frames[number % len(frames)]}, maxlen=64)
    client.delete("bare")


def _bare_decode(packets: list[bytes], address: str) -> None:
    """PyAV decodes, OpenCV encodes, redis-py sends."""
    client: redis.Redis = redis.Redis.from_url(address, protocol=2)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    for number in range(BARE_FRAMES):
        for frame in decoder.decode(av.Packet(packets[number % len(packets)])):
            image = frame.to_ndarray(format="bgr24")
            _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            client.xadd("bare", {"j": data.tobytes()}, maxlen=64)
    client.delete("bare")
