"""Intake: detections a second of one dispatcher that finds a backlog, against the least that could
store them: a bare loop that inserts one row each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from statistics import median
from time import perf_counter
from typing import Any

import psycopg
import redis

from benchmarks.bare import GROUP as BARE_GROUP
from benchmarks.bare import STREAM as BARE_STREAM
from benchmarks.bare import bare_loop
from benchmarks.harness import ROUNDS, Row, compare
from benchmarks.site import Site, site
from shared.adapters.clock import SystemClock
from shared.domain.timing import from_ms

CAMERAS = (1, 10, 100)
DETECTIONS, STEP_MS = 2_000, 50
CONFIG = "defaults: {buffer_seconds: 2, post_event_seconds: 4}\ncameras:\n"
STREAM, GROUP = "detections", "dispatch"
FRESH = "TRUNCATE video_segments, detections, outbox, segment_changes, bare CASCADE"


def run(*, quick: bool) -> list[Row]:
    """Detections a second until the last is acknowledged, ours and the bare loop in turn in the
    same servers, each with an empty database. A detection comes every 50 ms of capture time.
    """
    cases, count, rounds = ((10,), 50, 1) if quick else (CAMERAS, DETECTIONS, ROUNDS)
    config = CONFIG + "".join(
        f'  cam{number}: {{source: "push:", detect: false}}\n' for number in range(max(cases))
    )
    with site(config) as place, bare_loop(place):
        place.run("dispatch", "dispatch")
        with place.database() as rows, place.broker() as broker:
            _work_off(place, broker, STREAM, GROUP, _detections("warm", 10, max(cases)))
            _work_off(place, broker, BARE_STREAM, BARE_GROUP, ["warm"])
            return [_case(place, rows, broker, cameras, (count, rounds)) for cameras in cases]


def _case(
    place: Site,
    rows: psycopg.Connection[dict[str, Any]],
    broker: redis.Redis,
    cameras: int,
    size: tuple[int, int],
) -> Row:
    count, rounds = size
    ours, peer = [], []
    for number in range(rounds):
        detections = _detections(f"{cameras}-{number}", count, cameras)
        rows.execute(FRESH)
        ours.append(count / _work_off(place, broker, STREAM, GROUP, detections))
        stored = rows.execute("SELECT count(*) FROM detections WHERE outcome = 'recorded'")
        if (found := stored.fetchone()) != {"count": count}:
            raise RuntimeError(f"of {count} detections were recorded: {found}")
        rows.execute(FRESH)
        peer.append(count / _work_off(place, broker, BARE_STREAM, BARE_GROUP, detections))
    return compare(
        case=f"{cameras} camera{'s' if cameras > 1 else ''}",
        metric="detections per s",
        ours=median(ours),
        peer=median(peer),
        target=">= 0.3",
    )


def _detections(name: str, count: int, cameras: int) -> list[str]:
    """Valid, above the confidence, in order of capture, the last one of now."""
    first_ms = SystemClock().now_ms() - count * STEP_MS
    return [
        json.dumps(
            {
                "detection_id": f"{name}-{number}",
                "camera_id": f"cam{number % cameras}",
                "captured_at": from_ms(first_ms + number * STEP_MS).isoformat(),
                "confidence": 0.9,
                "plate": f"AB {number % 1000:03d}",
            }
        )
        for number in range(count)
    ]


def _work_off(
    place: Site, broker: redis.Redis, stream: str, group: str, messages: Iterable[str]
) -> float:
    """Publish all in one transaction. Returns seconds until all are acknowledged."""
    line = broker.pipeline(transaction=True)
    for message in messages:
        line.xadd(stream, {"json": message})
    began = perf_counter()
    line.execute()
    place.wait_for(f"{stream} to be empty", lambda: _is_done(broker, stream, group), 300.0)
    return perf_counter() - began


def _is_done(broker: redis.Redis, stream: str, group: str) -> bool:
    """Whether the group has read and acknowledged all; it is made when its reader starts."""
    groups: Any = broker.xinfo_groups(stream)
    found = next((each for each in groups if each["name"] == group.encode()), None)
    return found is not None and found["pending"] == 0 and found["lag"] == 0
