"""Counters for statistics, moved in the transactions that make or expire a clip."""

from __future__ import annotations

from shared.adapters.postgres.database import Connection


def count(
    connection: Connection, camera_id: str, start_time: object, segments: int, size_bytes: int, duration_ms: int
) -> None:
    """Move the counters of the camera's day, in the transaction that made them wrong."""
    connection.execute(
        """
        INSERT INTO segment_counters AS c (camera_id, day, segments, bytes, duration_ms)
        VALUES (%s, (%s AT TIME ZONE 'UTC')::date, %s, %s, %s)
        ON CONFLICT (camera_id, day) DO UPDATE SET segments = c.segments + excluded.segments,
            bytes = c.bytes + excluded.bytes, duration_ms = c.duration_ms + excluded.duration_ms
        """,
        [camera_id, start_time, segments, size_bytes, duration_ms],
    )
