"""The rows that the audit compares objects with."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.adapters.postgres.database import Database, as_uuids
from shared.domain.errors import NotFound
from shared.domain.ports import Expectation, FinishedClip, ReadyClip


class LedgerRepository:
    """Implements the port `Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deployment_id(self) -> UUID:
        """See the port."""
        row = self._database.fetch_one("SELECT id FROM deployment")
        if row is None:
            raise NotFound("the database has lost its deployment id")
        return UUID(str(row["id"]))

    def expected(self, keys: Sequence[str]) -> dict[str, Expectation]:
        """See the port. An expired segment expects nothing; a part expects the key of its committed run."""
        rows = self._database.fetch(
            """
            SELECT file_path AS key, id, status, file_size_bytes AS size FROM video_segments
             WHERE file_path = ANY(%(keys)s) AND status <> 'expired'
            UNION ALL
            SELECT thumbnail_path, id, status, NULL FROM video_segments
             WHERE thumbnail_path = ANY(%(keys)s) AND status <> 'expired'
            UNION ALL
            SELECT object_key, segment_id, state, (facts->>'size_bytes')::bigint FROM segment_parts
             WHERE object_key = ANY(%(keys)s)
            """,
            {"keys": list(keys)},
        )
        return {row["key"]: Expectation(row["id"], row["status"], row["size"]) for row in rows}

    def count_ready(self) -> int:
        """See the port."""
        row = self._database.fetch_one("SELECT count(*) AS n FROM video_segments WHERE status = 'ready'")
        return 0 if row is None else int(row["n"])

    def ready_clips(self, after: str, limit: int) -> list[ReadyClip]:
        """See the port."""
        rows = self._database.fetch(
            """
            SELECT id, file_path, file_size_bytes, sha256, frame_count FROM video_segments
             WHERE status = 'ready' AND file_path > %s ORDER BY file_path LIMIT %s
            """,
            after,
            limit,
        )
        return [
            ReadyClip(row["id"], row["file_path"], row["file_size_bytes"], row["sha256"], row["frame_count"])
            for row in rows
        ]

    def still_ready(self, segment_id: UUID) -> bool:
        """See the port."""
        return bool(self._database.fetch("SELECT FROM video_segments WHERE id = %s AND status = 'ready'", segment_id))

    def finished_with_parts(self, older_than_s: float, limit: int) -> list[FinishedClip]:
        """See the port."""
        rows = self._database.fetch(
            """
            SELECT id, status, file_path, file_size_bytes FROM video_segments s
             WHERE status IN ('ready', 'expiring', 'expired') AND updated_at <= now() - make_interval(secs => %s)
               AND EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id)
             ORDER BY updated_at LIMIT %s
            """,
            older_than_s,
            limit,
        )
        return [FinishedClip(row["id"], row["status"], row["file_path"], row["file_size_bytes"]) for row in rows]

    def unfinished(self, older_than_s: float) -> list[UUID]:
        """See the port; a lease that runs, or an offer made meanwhile (every 30 s), is somebody at work."""
        rows = self._database.fetch(
            """
            SELECT id FROM video_segments s
             WHERE status IN ('recording', 'finalizing') AND coalesce(lease_until < now(), true)
               AND greatest(deadline, updated_at, offered_at) < now() - make_interval(secs => %(age)s)
               AND NOT EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id AND p.state = 'running'
                                  AND p.lease_until >= now())
               AND NOT EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id
                                  AND p.offered_at >= now() - make_interval(secs => %(age)s))
             ORDER BY start_time
            """,
            {"age": older_than_s},
        )
        return as_uuids(rows)

    def failed_with_parts(self, most_repairs: int) -> list[UUID]:
        """See the port."""
        rows = self._database.fetch(
            """
            SELECT id FROM video_segments s
             WHERE status = 'failed' AND repairs <= %s
               AND EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id AND p.state = 'done'
                              AND p.object_key IS NOT NULL)
             ORDER BY start_time
            """,
            most_repairs,
        )
        return as_uuids(rows)

    def half_deleted(self, older_than_s: float) -> list[UUID]:
        """See the port."""
        rows = self._database.fetch(
            """
            SELECT id FROM video_segments
             WHERE status = 'expiring' AND archived_at < now() - make_interval(secs => %s) ORDER BY archived_at
            """,
            older_than_s,
        )
        return as_uuids(rows)
