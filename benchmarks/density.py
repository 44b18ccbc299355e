"""Density: how many cameras one host carries without losing a frame, a tenth of the time in an
event: Motion JPEG at 720p15, and RTSP at 1080p15 and 4 Mbit/s that is copied.
"""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.cameras import h264_packets, mjpeg_cameras, rtsp_cameras
from benchmarks.harness import Row, compare, console, report
from benchmarks.scene import jpegs
from benchmarks.site import Site, site, wait_for
from shared.wire.keys import Keys

FPS, BUFFER_S, POST_S, SHARE = 15, 5, 15, 0.1
STEPS = (16, 32, 48, 64, 96, 112, 128, 144, 160, 192, 224)
COPIED_STEPS = (60, 120, 160, 200, 250, 300, 350)
COPIED_SIZE, COPIED_CRF, GOP = (1920, 1080), 21, 30  # 4 Mbit/s of this scene
SECONDS, KEPT = 45.0, 0.99


@dataclass(frozen=True, slots=True)
class _Load:
    """Cameras of one kind, for some seconds, with events that last until post_s after a detection.

    serve: yields their address; key: of what is stored of a camera.
    """

    serve: Callable[[], AbstractContextManager[str]]
    codec: str
    key: Callable[[str], str]
    seconds: float
    post_s: int


def run(*, quick: bool) -> list[Row]:
    """The largest step at which 99 of 100 frames are there in time and no clip lacks one; each step
    is a new start.
    """
    size = (320, 180) if quick else (1280, 720)
    seconds, post_s = (3.0, 2) if quick else (SECONDS, POST_S)
    frames = jpegs(*size, 60)
    large = size if quick else COPIED_SIZE
    packets = h264_packets(jpegs(*large, 60), *large, FPS, GOP, COPIED_CRF)
    jpeg = _Load(lambda: mjpeg_cameras(frames, FPS), "h264", Keys().frames, seconds, post_s)
    copied = _Load(lambda: rtsp_cameras(packets, FPS), "auto", Keys().packets, seconds, post_s)
    ours = _most("platereel", partial(_carries, jpeg), (2,) if quick else STEPS)
    peer = _most(
        "one process",
        lambda cameras: _one_process_carries(frames, cameras, seconds),
        (2,) if quick else STEPS,
    )
    most = _most("copied", partial(_carries, copied), (2,) if quick else COPIED_STEPS)
    bits = sum(map(len, packets)) * 8 * FPS / len(packets) / 1e6
    return [
        compare("MJPEG 720p15, their load included", "cameras", ours, peer),
        report(
            f"RTSP copied, 1080p15, {bits:.1f} Mbit/s, their load included",
            "cameras",
            most,
            ">= 120",
        ),
    ]


def _most(name: str, carries: Callable[[int], bool], steps: tuple[int, ...]) -> int:
    most = 0
    for cameras in steps:
        if not carries(cameras):
            break
        most = cameras
        console.print(f"  {name}: {cameras} cameras, nothing lost")
    return most


def _carries(load: _Load, cameras: int) -> bool:
    """Cameras, capture, dispatch, two writers, one finaliser, servers: all on this host."""
    names = [f"cam{number}" for number in range(cameras)]
    with load.serve() as address:
        config = f"defaults: {{buffer_seconds: {BUFFER_S}, post_event_seconds: {load.post_s}, "
        config += f"codec: {load.codec}}}\ncameras:\n"
        config += "".join(
            f'  {name}: {{source: "{address}/{name}", detect: false}}\n' for name in names
        )
        with site(config, frames_bytes=8_000_000_000) as place:
            place.record()
            with place.frames() as client:
                wait_for(
                    "all cameras", lambda: all(client.exists(load.key(name)) for name in names)
                )
            return _watched(place, load, names)


def _watched(place: Site, load: _Load, names: list[str]) -> bool:
    with place.frames() as client, place.broker() as broker, place.database() as rows:
        time.sleep(2.0)
        before, began = _stored(client, load, names), time.perf_counter()
        every_s = (BUFFER_S + load.post_s) / (len(names) * SHARE)
        event_at, number = 0.0, 0
        while (passed := time.perf_counter() - began) < load.seconds:
            if passed >= event_at:
                camera = names[number % len(names)]
                body = {"detection_id": f"event-{number}", "camera_id": camera, "confidence": 0.9}
                broker.xadd("detections", {"json": json.dumps(body)})
                event_at, number = event_at + every_s, number + 1
            time.sleep(0.02)
        kept = (_stored(client, load, names) - before) / (
            (time.perf_counter() - began) * FPS * len(names)
        )
        open_rows = (
            "SELECT count(*) AS n FROM video_segments WHERE status NOT IN ('ready', 'failed')"
        )
        try:
            wait_for(
                "all clips",
                lambda: _number(rows, open_rows) == 0,
                timeout_s=load.post_s + 15,
                every_s=0.2,
            )
        except RuntimeError:
            return False
        # The first clips began before their cameras' buffers were full: that is no loss, and they
        # say so.
        lost = "SELECT count(*) AS n FROM video_segments WHERE status = 'failed' OR frames_lost > 0"
        return kept >= KEPT and _number(rows, lost) == 0


def _stored(client: Any, load: _Load, names: list[str]) -> int:
    return sum(int(client.xinfo_stream(load.key(name))["entries-added"]) for name in names)


def _number(rows: Any, statement: str) -> int:
    return int(rows.execute(statement).fetchone()["n"])


def _one_process_carries(frames: list[bytes], cameras: int, seconds: float) -> bool:
    """The predecessor in a process of its own, its cameras' JPEGs already in memory."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(
        target=_one_process, args=(frames, cameras, seconds, answers), daemon=True
    )
    process.start()
    kept = answers.get(timeout=seconds + 60)
    process.join()
    return bool(kept >= KEPT)


def _one_process(frames: list[bytes], cameras: int, seconds: float, answers: Any) -> None:
    """A thread a camera decodes every frame into a buffer of pictures, and writes mp4v while an
    event lasts.
    """
    cv2.setNumThreads(1)
    done = [0] * cameras
    began = time.perf_counter()

    def film(camera: int, folder: Path) -> None:
        buffer: deque[NDArray[np.uint8]] = deque(maxlen=BUFFER_S * FPS)
        period = (BUFFER_S + POST_S) / SHARE
        starts = camera * period / cameras % period
        writer: cv2.VideoWriter | None = None
        for number in range(round(seconds * FPS)):
            time.sleep(max(0.0, began + number / FPS - time.perf_counter()))
            if time.perf_counter() - began > seconds:
                return
            image = cv2.imdecode(
                np.frombuffer(frames[number % len(frames)], np.uint8), cv2.IMREAD_COLOR
            )
            if image is None:
                return
            picture = image.astype(np.uint8, copy=False)
            recording = starts <= number / FPS < starts + POST_S
            if recording and writer is None:
                size = (picture.shape[1], picture.shape[0])
                writer = cv2.VideoWriter(
                    str(folder / f"{camera}.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, size
                )
                for earlier in buffer:
                    writer.write(earlier)
            if recording and writer is not None:
                writer.write(picture)
            buffer.append(picture)
            done[camera] += 1

    with TemporaryDirectory(prefix="platereel-bench-") as folder:
        threads = [
            threading.Thread(target=film, args=(camera, Path(folder))) for camera in range(cameras)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    answers.put(sum(done) / (cameras * round(seconds * FPS)))
