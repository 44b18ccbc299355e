"""Ready: from the last frame in the buffer to a READY row, against encoding the whole clip once its
event is over.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import redis

from benchmarks.cameras import mjpeg_cameras
from benchmarks.harness import ROUNDS, Row, compare
from benchmarks.scene import jpegs
from benchmarks.site import Site, site, wait_for
from shared.adapters.clock import SystemClock
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import frame_servers
from shared.adapters.storage.opening import open_store
from shared.adapters.video.av_video import AvVideo
from shared.domain.parts import Piece
from shared.domain.policy import RecordingPolicy
from shared.domain.timing import to_ms
from shared.wire.keys import Keys

FPS = 15
CAMERA = "street"


def run(*, quick: bool) -> list[Row]:
    """Seconds from the last frame to READY."""
    size, buffer_s, post_s = ((320, 180), 1, 2) if quick else ((1280, 720), 5, 15)
    ours, peer = [], []
    with mjpeg_cameras(jpegs(*size, 150), FPS) as address:
        config = (
            f"defaults: {{buffer_seconds: {buffer_s}, post_event_seconds: {post_s}, trigger_slack_seconds: 40}}\n"
            f'cameras:\n  {CAMERA}: {{source: "{address}/1", detect: false}}\n'
        )
        with (
            site(config) as place,
            place.database() as rows,
            place.frames() as frames,
            place.broker() as broker,
        ):
            place.record()
            wait_for("frames", lambda: frames.xlen(Keys().frames(CAMERA)) > FPS * (buffer_s + 1))
            for number in range(1 if quick else ROUNDS):
                segment = _record(rows, broker, f"event-{number}")
                ours.append(_until_ready(rows, frames, segment))
                peer.append(_whole_clip(place, rows, segment))
    return [
        compare(
            case=f"{size[1]}p{FPS}, {buffer_s + post_s} s",
            metric="s to READY",
            ours=median(ours),
            peer=median(peer),
            target="<= 0.333",
        )
    ]


def _record(
    rows: psycopg.Connection[dict[str, Any]], broker: redis.Redis, name: str
) -> dict[str, Any]:
    broker.xadd(
        "detections",
        {"json": json.dumps({"detection_id": name, "camera_id": CAMERA, "confidence": 0.9})},
    )
    statement = """
        SELECT s.* FROM video_segments s JOIN segment_detections l ON l.segment_id = s.id
         WHERE l.detection_id = %s
    """
    found: dict[str, Any] = wait_for(
        "the recording", lambda: rows.execute(statement, [name]).fetchone()
    )
    return found


def _until_ready(
    rows: psycopg.Connection[dict[str, Any]], frames: redis.Redis, segment: dict[str, Any]
) -> float:
    last_ms = to_ms(segment["deadline"]) - 1000 // FPS
    key = Keys().frames(CAMERA)

    def newest_ms() -> int:
        found: Any = frames.xrevrange(key, count=1)
        return int(found[0][0].split(b"-")[0])

    wait_for("the event to end", lambda: newest_ms() >= last_ms)
    began = time.perf_counter()
    statement = "SELECT 1 FROM video_segments WHERE id = %s AND status = 'ready'"
    wait_for("READY", lambda: rows.execute(statement, [segment["id"]]).fetchone())
    return time.perf_counter() - began


def _whole_clip(
    place: Site, rows: psycopg.Connection[dict[str, Any]], segment: dict[str, Any]
) -> float:
    """The same frames from the same buffer: read, encode, join, upload, say so in a row."""
    start_ms, end_ms = to_ms(segment["start_time"]), to_ms(segment["deadline"])
    buffer = RedisFrames(frame_servers(place.addresses.frames), Keys())
    store = open_store(place.addresses.storage, SystemClock())
    video, policy = AvVideo(), RecordingPolicy(fps=FPS, encoder="software")
    began = time.perf_counter()
    form = encoder = None
    for frame in buffer.read(CAMERA, start_ms, end_ms):
        if form is None or encoder is None:
            form = video.form(frame.data, policy)
            encoder = video.encoder(policy, form, start_ms, start_ms)
        encoder.add(frame.data, frame.captured_ms)
    if form is None or encoder is None:
        raise RuntimeError("the buffer no longer has the event")
    part = encoder.finish()
    with TemporaryDirectory(prefix="platereel-bench-") as folder:
        clip = Path(folder) / "clip.mp4"
        video.join(
            path=clip,
            pieces=[Piece(start_ms, part.data, part.index)],
            span_ms=(start_ms, end_ms),
            policy=policy,
            form=form,
        )
        store.put(f"bench/{segment['id']}.mp4", clip, "video/mp4", patience_s=30)
    rows.execute("UPDATE video_segments SET note = 'encoded again' WHERE id = %s", [segment["id"]])
    return time.perf_counter() - began
