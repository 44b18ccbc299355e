"""Packets: what a copied RTSP camera costs, against `ffmpeg -c copy -f segment`, and Motion where
it is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.cameras import h264_packets, rtsp_cameras
from benchmarks.harness import ROUNDS, Row, compare, report
from benchmarks.scene import jpegs
from benchmarks.site import Site, cpu_s_of, site, wait_for
from benchmarks.writer import require_ffmpeg

CAMERAS, FPS, GOP, SECONDS, SETTLED = 20, 15, 30, 10.0, 4.0
KEPT_S = 10
ALSO = ("motion",)


def run(*, quick: bool) -> list[Row]:
    """CPU of one core that a camera takes, in percent, once all cameras run."""
    require_ffmpeg()
    cameras, seconds, rounds = (2, 1.0, 1) if quick else (CAMERAS, SECONDS, ROUNDS)
    settle_s = 0.5 if quick else SETTLED
    size = (320, 180) if quick else (1280, 720)
    packets = h264_packets(jpegs(*size, 60), *size, FPS, GOP)
    shares: dict[str, list[float]] = {"ours": [], "redis": [], "ffmpeg": [], "motion": []}
    with rtsp_cameras(packets, FPS) as address:
        urls = [f"{address}/{number}" for number in range(cameras)]
        with _ours(urls) as place:
            for _ in range(rounds):
                place.run("capture", "capture")
                names = [f"platereel:packets:{{cam{number}}}" for number in range(cameras)]
                with place.frames() as client:
                    wait_for("all cameras", lambda: client.exists(*names) == cameras)  # noqa: B023
                for name, share in zip(
                    ("ours", "redis"), _shares(place, seconds, cameras, settle_s), strict=True
                ):
                    shares[name].append(share)
                place.stop("capture")
                shares["ffmpeg"].append(_peer(_ffmpeg, urls, seconds, settle_s))
                if shutil.which("motion"):
                    shares["motion"].append(_peer(_motion, urls, seconds, settle_s))
    bits = sum(map(len, packets)) * 8 * FPS / len(packets) / 1e6
    case = f"{cameras} cameras {size[1]}p{FPS}, {bits:.1f} Mbit/s"
    ours = median(shares["ours"])
    rows = [
        compare(
            case=f"{case} / ffmpeg -c copy",
            metric="% of a core a camera",
            ours=ours,
            peer=median(shares["ffmpeg"]),
            target="<= 3",
        ),
        report(case, "% of a core of Redis a camera", median(shares["redis"])),
    ]
    if shares["motion"]:
        rows.append(
            compare(f"{case} / Motion", "% of a core a camera", ours, median(shares["motion"]))
        )
    return rows


@contextmanager
def _ours(urls: list[str]) -> Iterator[Site]:
    cameras = "".join(
        f'  cam{number}: {{source: "{url}", codec: copy, detect: false}}\n'
        for number, url in enumerate(urls)
    )
    with site(f"cameras:\n{cameras}") as place:
        yield place


def _shares(place: Site, seconds: float, cameras: int, settle_s: float) -> tuple[float, float]:
    """Percent of a core a camera, of capture and of the frames Redis."""
    time.sleep(settle_s)
    names = ("capture", "redis-frames")
    before = [place.cpu_s(name) for name in names]
    began = time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - began
    ours, redis = (
        (place.cpu_s(name) - used) / passed / cameras * 100
        for name, used in zip(names, before, strict=True)
    )
    return ours, redis


def _peer(
    start: Callable[[list[str], Path], list[int]],
    urls: list[str],
    seconds: float,
    settle_s: float,
) -> float:
    """Percent of a core a camera of a peer's processes."""
    with TemporaryDirectory(prefix="platereel-bench-") as name:
        pids = start(urls, Path(name))
        try:
            time.sleep(settle_s)
            before, began = sum(map(cpu_s_of, pids)), time.perf_counter()
            time.sleep(seconds)
            used, passed = sum(map(cpu_s_of, pids)) - before, time.perf_counter() - began
        finally:
            for pid in pids:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
    return used / passed / len(urls) * 100


def _ffmpeg(urls: list[str], folder: Path) -> list[int]:
    """A process a camera, as recorders that are built on the command have it."""
    return [
        subprocess.Popen(  # noqa: S603 - our own arguments
            [
                *("ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url),
                *("-an", "-c", "copy", "-f", "segment", "-segment_time", str(KEPT_S)),
                str(folder / f"{number}-%d.mp4"),
            ]
        ).pid
        for number, url in enumerate(urls)
    ]


def _motion(urls: list[str], folder: Path) -> list[int]:
    """One process, which passes the camera's packets through into films."""
    main = folder / "motion.conf"
    cameras = []
    for number, url in enumerate(urls):
        path = folder / f"camera{number}.conf"
        path.write_text(
            f"camera_id {number + 1}\nnetcam_url {url}\ntarget_dir {folder}\n", encoding="ascii"
        )
        cameras.append(f"camera {path}")
    settings = [
        "daemon off",
        "movie_passthrough on",
        "emulate_motion on",
        "movie_output on",
        "movie_max_time 10",
        "picture_output off",
        f"framerate {FPS}",
        "log_level 3",
        "webcontrol_port 0",
        *cameras,
    ]
    main.write_text("\n".join(settings) + "\n", encoding="ascii")
    argv = ["motion", "-n", "-c", str(main)]
    return [subprocess.Popen(argv, stderr=subprocess.DEVNULL).pid]  # noqa: S603
