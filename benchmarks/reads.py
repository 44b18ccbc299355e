"""Rows of a site that has read plates for long: passes, the plates they were read as, and ten
detections a pass.
"""

from __future__ import annotations

from typing import Any

import psycopg

from benchmarks.segments import CAMERAS, PLATE

DAYS, READS, AT_ONCE = 365, 10, 50_000
COLORS = ("white", "black", "silver", "blue", "red", "green", "yellow", "brown")
RARE = 50_000  # one pass of so many has the rare attribute
PASS_SECONDS = 4
_INDEXES = "SELECT indexdef, indexname FROM pg_indexes WHERE tablename = %s AND indexname NOT LIKE '%%_pkey'"


def fill(connection: psycopg.Connection[dict[str, Any]], passes: int, *, last_at: str) -> None:
    """`passes` passes, evenly over a year before `last_at`, on a hundred cameras. Every third
    vehicle comes again, every fourth pass was misread once. Triggers and indexes come afterwards:
    with them ten million rows would take an hour.
    """
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
        connection.execute("SET LOCAL statement_timeout = 0")
        indexes = [
            row
            for table in ("passes", "pass_plates", "detections")
            for row in connection.execute(_INDEXES, [table]).fetchall()
        ]
        for index in indexes:
            connection.execute(f"DROP INDEX {index['indexname']}".encode())
        for first in range(0, passes, AT_ONCE):
            _some(connection, passes, first, min(first + AT_ONCE, passes) - 1, last_at)
        for index in indexes:
            connection.execute(index["indexdef"].encode())
        connection.execute(
            """
            INSERT INTO read_counters (camera_id, day, kind, number)
            SELECT camera_id, day, kind, count(*) FROM read_facts GROUP BY 1, 2, 3
            """
        )
    for table in ("passes", "pass_plates", "detections", "read_counters"):
        connection.execute(f"VACUUM ANALYZE {table}".encode())


def _some(
    connection: psycopg.Connection[dict[str, Any]], count: int, first: int, last: int, last_at: str
) -> None:
    given = {
        "cameras": CAMERAS, "last": last_at, "every": DAYS * 86_400 / count, "from": first, "to": last,
        "distinct": max(1, count // 3), "colors": list(COLORS), "rare": RARE, "seconds": PASS_SECONDS, "reads": READS,
    }  # fmt: skip
    made = f"""
        SELECT n, md5(n::text || 'pass')::uuid AS id, 'cam' || n %% %(cameras)s AS camera_id, {PLATE} AS plate,
               %(last)s::timestamptz - make_interval(secs => (n + 1) * %(every)s) AS at,
               jsonb_build_object('color', (%(colors)s::text[])[1 + n %% 8], 'speed_kmh', n %% 90,
                                  'direction', CASE WHEN n %% 2 = 0 THEN 'in' ELSE 'out' END)
                   || CASE WHEN n %% %(rare)s = 7 THEN '{{"alarm": true}}'::jsonb ELSE '{{}}'::jsonb END AS attributes
          FROM (SELECT n, md5((n %% %(distinct)s)::text || 'plate') AS h
                  FROM generate_series(%(from)s::int, %(to)s::int) n) hashed
    """
    connection.execute(
        f"""
        INSERT INTO passes (id, camera_id, first_at, last_at, ended_at, reads, plate, confidence, best_detection_id,
               best_at, attributes, loud_since, recorded)
        SELECT id, camera_id, at, at + make_interval(secs => %(seconds)s), at + make_interval(secs => %(seconds)s),
               %(reads)s, plate, 0.9, 'd' || n || '-0', at, attributes, at, true FROM ({made}) made
        """,
        given,
    )
    connection.execute(
        f"""
        INSERT INTO pass_plates (pass_id, plate_key, plate, reads, confidence, confidence_sum, best_detection_id,
               best_at)
        SELECT id, plate, plate, %(reads)s - (n %% 4 = 0)::int, 0.9, 8, 'd' || n || '-0', at FROM ({made}) made
        UNION ALL
        SELECT id, overlay(plate placing '7' from 3 for 1), overlay(plate placing '7' from 3 for 1), 1, 0.6, 0.6,
               'd' || n || '-9', at FROM ({made}) made WHERE n %% 4 = 0 AND substr(plate, 3, 1) <> '7'
        """,
        given,
    )
    connection.execute(
        f"""
        INSERT INTO detections (detection_id, camera_id, captured_at, confidence, plate, outcome, attributes, pass_id,
               created_at)
        SELECT 'd' || n || '-' || r, camera_id, at + make_interval(secs => r * %(seconds)s / %(reads)s::float8),
               0.5 + r / 20.0,
               CASE WHEN r = 9 AND n %% 4 = 0 THEN overlay(plate placing '7' from 3 for 1) ELSE plate END,
               CASE WHEN n %% 1000 = 3 THEN 'below_threshold' ELSE 'recorded' END, attributes, id, at
          FROM ({made}) made CROSS JOIN generate_series(0, %(reads)s - 1) r
        """,
        given,
    )
