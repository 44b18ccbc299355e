"""Counts of segments: triggers write what each statement changes (0001_counters.sql), folding adds
that up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import LiteralString

from psycopg.rows import DictRow

from shared.adapters.postgres import read_counters
from shared.adapters.postgres.database import Connection, Database
from shared.domain.lifecycle import SegmentStatus
from shared.domain.statistics import CameraDayTotals, CameraTotals, DayTotals, Totals

UTC = "UTC"
_SUMS: LiteralString = """
    sum(segments)::bigint AS segments, sum(bytes)::bigint AS bytes, sum(duration_ms) / 1000.0 AS duration_seconds
"""
_FOLDED: LiteralString = """
    sum(segments) AS segments, sum(protected) AS protected, sum(bytes) AS bytes,
    sum(protected_bytes) AS protected_bytes, sum(duration_ms) AS duration_ms
"""
_ADD: LiteralString = """
    DO UPDATE SET segments = c.segments + excluded.segments, protected = c.protected + excluded.protected,
        bytes = c.bytes + excluded.bytes, protected_bytes = c.protected_bytes + excluded.protected_bytes,
        duration_ms = c.duration_ms + excluded.duration_ms
"""
_CAMERA_DAYS: LiteralString = f"""
    SELECT camera_id, day, {_SUMS} FROM day_totals
     WHERE status = 'ready' AND day >= %(first)s
       AND (%(cameras)s::text[] IS NULL OR camera_id = ANY(%(cameras)s))
     GROUP BY camera_id, day HAVING sum(segments) > 0 ORDER BY day, camera_id
"""
_CAMERA_DAYS_ELSEWHERE: LiteralString = """
    SELECT camera_id, (start_time AT TIME ZONE %(zone)s)::date AS day, count(*) AS segments,
           sum(file_size_bytes)::bigint AS bytes, sum(duration_seconds) AS duration_seconds
      FROM video_segments
     WHERE status = 'ready' AND start_time >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
       AND (%(cameras)s::text[] IS NULL OR camera_id = ANY(%(cameras)s))
     GROUP BY 1, 2 ORDER BY 2, 1
"""
_WRONG: LiteralString = """
    SELECT camera_id, day, status, coalesce(f.segments, 0) - coalesce(t.segments, 0) AS segments,
           coalesce(f.protected, 0) - coalesce(t.protected, 0) AS protected,
           coalesce(f.bytes, 0) - coalesce(t.bytes, 0) AS bytes,
           coalesce(f.protected_bytes, 0) - coalesce(t.protected_bytes, 0) AS protected_bytes,
           coalesce(f.duration_ms, 0) - coalesce(t.duration_ms, 0) AS duration_ms
      FROM facts f FULL JOIN totals t USING (camera_id, day, status)
     WHERE (f.segments, f.protected, f.bytes, f.protected_bytes, f.duration_ms) IS DISTINCT FROM
           (t.segments, t.protected, t.bytes, t.protected_bytes, t.duration_ms)
       AND (f.segments IS NOT NULL OR (t.segments, t.protected, t.bytes, t.protected_bytes, t.duration_ms)
                                      IS DISTINCT FROM (0, 0, 0, 0, 0))
"""
_COUNTED: LiteralString = f"""
    WITH facts AS (SELECT camera_id, day, status, {_FOLDED} FROM segment_facts GROUP BY 1, 2, 3),
         totals AS (SELECT camera_id, day, status, {_FOLDED} FROM day_totals GROUP BY 1, 2, 3)
"""


class PostgresCounterRows:
    """Implements the port `CounterRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stats(
        self, days: int, cameras: Sequence[str] | None = None, reads_days: int = 30
    ) -> Totals:
        """Costs O(cameras), and cameras times `days` for the days, never O(segments)."""
        given = {"days": days, "cameras": None if cameras is None else list(cameras)}
        with self._database.transaction() as connection:
            states = connection.execute(
                f"""
                SELECT camera_id, status, {_SUMS}, sum(protected)::bigint AS protected,
                       sum(protected_bytes)::bigint AS protected_bytes
                  FROM camera_totals WHERE %(cameras)s::text[] IS NULL OR camera_id = ANY(%(cameras)s)
                 GROUP BY camera_id, status HAVING sum(segments) > 0 ORDER BY camera_id
                """,
                given,
            ).fetchall()
            by_day = connection.execute(
                f"""
                SELECT day, {_SUMS} FROM day_totals
                 WHERE status = 'ready' AND day > (now() AT TIME ZONE 'UTC')::date - %(days)s
                   AND (%(cameras)s::text[] IS NULL OR camera_id = ANY(%(cameras)s))
                 GROUP BY day HAVING sum(segments) > 0 ORDER BY day DESC
                """,
                given,
            ).fetchall()
            reads = read_counters.counted(connection, reads_days, cameras)
        return Totals(
            by_status=_by_status(states),
            passes=reads.pop("pass", 0),
            reads=reads,
            cameras=[
                CameraTotals(
                    camera_id=row["camera_id"],
                    segments=row["segments"],
                    bytes=row["bytes"],
                    duration_seconds=float(row["duration_seconds"]),
                    protected=row["protected"],
                    protected_bytes=row["protected_bytes"],
                )
                for row in states
                if row["status"] == SegmentStatus.READY
            ],
            days=[
                DayTotals(**row | {"duration_seconds": float(row["duration_seconds"])})
                for row in by_day
            ],
        )

    def camera_days(
        self, first: date, time_zone: str, cameras: Sequence[str] | None = None
    ) -> list[CameraDayTotals]:
        """Counters are of UTC days. For another zone the clips of these days are counted."""
        scope = None if cameras is None else list(cameras)
        given = {"first": first, "zone": time_zone, "cameras": scope}
        query = _CAMERA_DAYS if time_zone == UTC else _CAMERA_DAYS_ELSEWHERE
        return [
            CameraDayTotals(**row | {"duration_seconds": float(row["duration_seconds"])})
            for row in self._database.fetch(query, given)
        ]

    def fold(self, limit: int) -> int:
        """Several processes may fold at once, each its own rows."""
        row = self._database.fetch_one(
            f"""
            WITH gone AS (
                DELETE FROM segment_changes
                 WHERE id IN (SELECT id FROM segment_changes ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING *
            ), by_day AS (
                INSERT INTO day_counters AS c
                       (camera_id, day, status, segments, protected, bytes, protected_bytes, duration_ms)
                SELECT camera_id, day, status, {_FOLDED} FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
                ON CONFLICT (camera_id, day, status) {_ADD}
            ), by_camera AS (
                INSERT INTO camera_counters AS c
                       (camera_id, status, segments, protected, bytes, protected_bytes, duration_ms)
                SELECT camera_id, status, {_FOLDED} FROM gone GROUP BY 1, 2 ORDER BY 1, 2
                ON CONFLICT (camera_id, status) {_ADD}
            )
            SELECT count(*) AS n FROM gone
            """,
            limit,
        )
        reads = read_counters.fold(self._database, limit)
        return max(reads, 0 if row is None else int(row["n"]))

    def differences(self) -> list[str]:
        """Counts in one statement, so that a change meanwhile is no difference."""
        days = self._database.fetch(f"{_COUNTED} {_WRONG} ORDER BY 1, 2, 3")
        cameras = self._database.fetch(
            f"""
            SELECT camera_id, status FROM (SELECT camera_id, status, {_FOLDED} FROM day_counters GROUP BY 1, 2) d
              FULL JOIN camera_counters c USING (camera_id, status)
             WHERE (coalesce(d.segments, 0), coalesce(d.bytes, 0)) <> (coalesce(c.segments, 0), coalesce(c.bytes, 0))
             ORDER BY 1, 2
            """
        )
        return (
            [
                f"{row['camera_id']} {row['day']} {row['status']}: {row['segments']:+} clips, {row['bytes']:+} bytes"
                for row in days
            ]
            + [
                f"{row['camera_id']} {row['status']}: the camera's counter is not the sum of its days"
                for row in cameras
            ]
            + read_counters.differences(self._database)
        )

    def recount(self) -> None:
        """Adds what is missing as a change, so that nobody else waits."""
        with self._database.transaction() as connection:
            _rebuild(connection)
            connection.execute(
                f"""
                INSERT INTO segment_changes
                       (camera_id, day, status, segments, protected, bytes, protected_bytes, duration_ms)
                {_COUNTED} {_WRONG}
                """
            )
        with self._database.transaction() as connection:
            read_counters.recount(connection)


def _rebuild(connection: Connection) -> None:
    connection.execute("LOCK TABLE day_counters, camera_counters IN EXCLUSIVE MODE")
    connection.execute("DELETE FROM camera_counters")
    connection.execute(
        f"""
        INSERT INTO camera_counters (camera_id, status, segments, protected, bytes, protected_bytes, duration_ms)
        SELECT camera_id, status, {_FOLDED} FROM day_counters GROUP BY 1, 2
        """
    )


def _by_status(rows: Sequence[DictRow]) -> Counter[SegmentStatus]:
    found: Counter[SegmentStatus] = Counter()
    for row in rows:
        found[SegmentStatus(row["status"])] += row["segments"]
    return found
