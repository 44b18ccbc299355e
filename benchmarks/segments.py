"""Rows of a site that has recorded for long: as many finished segments as asked for, on a hundred
cameras.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from shared.domain.policy import RecordingPolicy

CAMERAS, DAYS, AT_ONCE = 100, 30, 50_000
PLATE = """
    translate(upper(substr(h, 1, 2)), '0123456789', 'GHJKLMNPRS') || translate(substr(h, 3, 3), 'abcdef', '012345')
        || translate(upper(substr(h, 6, 2)), '0123456789', 'GHJKLMNPRS')
"""


def fill(
    connection: psycopg.Connection[dict[str, Any]], count: int, *, days: float = DAYS, last_at: str
) -> None:
    """`count` READY segments of 20 s, evenly over the days before `last_at`; every third vehicle
    comes again.
    """
    every_s = days * 86_400 / count
    for first in range(0, count, AT_ONCE):
        connection.execute(
            """
            INSERT INTO video_segments (id, camera_id, status, file_path, thumbnail_path, start_time, deadline,
                   end_time, first_frame_at, trigger_time, covered_to, policy, codec, fps, width, height,
                   duration_seconds, file_size_bytes, frame_count, frames_lost, sha256)
            SELECT id, 'cam' || n %% %(cameras)s, 'ready', 'videos/' || to_char(at, 'YYYY-MM-DD/') || id || '.mp4',
                   'thumbnails/' || to_char(at, 'YYYY-MM-DD/') || id || '.jpg', at,
                   at + interval '20 s', at + interval '20 s', at, at + interval '5 s', at + interval '20 s',
                   %(policy)s,
                   'h264', 15, 1280, 720, 20, 800000 + n %% 1000, 300, 0, repeat('0', 64)
              FROM (SELECT n, md5(n::text)::uuid AS id,
                           %(last)s::timestamptz - make_interval(secs => (n + 1) * %(every)s) AS at
                      FROM generate_series(%(from)s::int, %(to)s::int) n) made
            """,
            {
                "cameras": CAMERAS,
                "policy": Jsonb(RecordingPolicy().to_json()),
                "last": last_at,
                "every": every_s,
                "from": first,
                "to": min(first + AT_ONCE, count) - 1,
            },
        )
        connection.execute(
            f"""
            INSERT INTO detections (detection_id, camera_id, captured_at, confidence, plate, outcome, wanted)
            SELECT 'd' || n, 'cam' || n %% %(cameras)s, at, 0.6 + (n %% 40) / 100.0, {PLATE}, 'recorded',
                   tstzrange(at - interval '5 s', at + interval '15 s')
              FROM (SELECT n, md5((n %% %(distinct)s)::text || 'plate') AS h,
                           %(last)s::timestamptz - make_interval(secs => (n + 1) * %(every)s - 5) AS at
                      FROM generate_series(%(from)s::int, %(to)s::int) n) made
            """,
            {
                "cameras": CAMERAS,
                "distinct": max(1, count // 3),
                "last": last_at,
                "every": every_s,
                "from": first,
                "to": min(first + AT_ONCE, count) - 1,
            },
        )
        connection.execute(
            """
            INSERT INTO segment_detections SELECT s.id, 'd' || n, s.camera_id, 5000
              FROM generate_series(%s::int, %s::int) n JOIN video_segments s ON s.id = md5(n::text)::uuid
            """,
            [first, min(first + AT_ONCE, count) - 1],
        )
    for table in ("video_segments", "segment_plates", "segment_detections", "detections"):
        connection.execute(f"VACUUM ANALYZE {table}")
