"""Trigger: a detection on the stream until its recording's row is committed, against the least that
could do it.
"""

from __future__ import annotations

import json
import time
from statistics import median, quantiles
from typing import Any

import psycopg
import redis

from benchmarks.bare import STREAM as BARE_STREAM
from benchmarks.bare import bare_loop
from benchmarks.harness import Row, compare
from benchmarks.site import site, wait_for

DETECTIONS, WARM_UP, PAUSE_S = 200, 20, 0.02
CONFIG = "defaults: {buffer_seconds: 2, post_event_seconds: 4}\ncameras:\n"


def run(*, quick: bool) -> list[Row]:
    """Milliseconds of ours and of a bare XADD, XREADGROUP, INSERT in the same servers, in turn, a
    camera each.
    """
    count, warm_up = (10, 1) if quick else (DETECTIONS, WARM_UP)
    cameras = [f"cam{number}" for number in range(count + warm_up)]
    config = CONFIG + "".join(
        f'  {camera}: {{source: "push:", detect: false}}\n' for camera in cameras
    )
    with site(config) as place, bare_loop(place):
        place.run("dispatch", "dispatch")
        with place.database() as rows, place.broker() as broker:
            ours_ms: list[float] = []
            peer_ms: list[float] = []
            for camera in cameras:
                for milliseconds, one in ((ours_ms, _ours), (peer_ms, _peer)):
                    milliseconds.append(one(rows, broker, camera))
                    time.sleep(PAUSE_S)  # what one way leaves to do must not slow the other
    ours_ms, peer_ms = ours_ms[warm_up:], peer_ms[warm_up:]
    return [
        compare(
            case="detection to row",
            metric="p50 ms",
            ours=median(ours_ms),
            peer=median(peer_ms),
            target="<= 2.0",
        ),
        compare(
            "detection to row", "p90 ms", quantiles(ours_ms, n=10)[8], quantiles(peer_ms, n=10)[8]
        ),
    ]


def _ours(rows: psycopg.Connection[dict[str, Any]], broker: redis.Redis, camera: str) -> float:
    detection = json.dumps({"detection_id": f"of-{camera}", "camera_id": camera, "confidence": 0.9})
    began = time.perf_counter()
    broker.xadd("detections", {"json": detection})
    _wait(rows, "SELECT 1 FROM video_segments WHERE camera_id = %s", camera)
    return (time.perf_counter() - began) * 1000


def _peer(rows: psycopg.Connection[dict[str, Any]], broker: redis.Redis, camera: str) -> float:
    began = time.perf_counter()
    broker.xadd(BARE_STREAM, {"json": camera})
    _wait(rows, "SELECT 1 FROM bare WHERE name = %s", camera)
    return (time.perf_counter() - began) * 1000


def _wait(rows: psycopg.Connection[dict[str, Any]], statement: str, camera: str) -> None:
    """Ask without a pause: the answer is the commit, a fraction of a millisecond late for both."""
    wait_for(
        f"the row of {camera}", lambda: rows.execute(statement, [camera]).fetchone(), every_s=0.0
    )
