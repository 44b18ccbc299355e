"""Rows of segments as retention sees them: the oldest, the marked, the deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection, Database, as_uuids
from shared.adapters.postgres.history import purge_access_log, purge_passes, purge_reads
from shared.domain.ports import Marked
from shared.domain.retention import Clip, ReadsKept, Verdict
from shared.domain.timing import from_ms, to_ms

_PLATES: LiteralString = "ARRAY(SELECT p.plate FROM segment_plates p WHERE p.segment_id = s.id)"
_LABELS: LiteralString = """
    ARRAY(SELECT DISTINCT a.key FROM segment_detections l JOIN detections d USING (detection_id, camera_id)
           CROSS JOIN LATERAL jsonb_each(d.attributes) a
           WHERE l.segment_id = s.id AND a.key = ANY(%(attributes)s)
             AND a.value NOT IN ('false', 'null', '0', '""', '[]', '{}'))
"""


_HIT_DAYS: LiteralString = """
    (SELECT max(i.hit_days) FROM segment_detections l JOIN detections d USING (detection_id, camera_id)
       JOIN pass_hits h ON h.pass_id = d.pass_id JOIN plate_lists i ON i.id = h.list_id WHERE l.segment_id = s.id)
"""
DAY_SECONDS = 86_400.0


class PostgresRetentionRows:
    """Implements the port `RetentionRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cameras_with_clips(self) -> list[str]:
        rows = self._database.fetch(
            """
            SELECT camera_id FROM camera_totals WHERE status IN ('ready', 'failed')
             GROUP BY camera_id HAVING sum(segments) > 0 ORDER BY 1
            """
        )
        return [row["camera_id"] for row in rows]

    def now_ms(self) -> int:
        return self._database.now_ms()

    def count_clips(self) -> int:
        """Reads the counters."""
        row = self._database.fetch_one(
            "SELECT coalesce(sum(segments), 0)::bigint AS n FROM camera_totals WHERE status IN ('ready', 'failed')"
        )
        return 0 if row is None else int(row["n"])

    def report_stopped(self, would_archive: int, allowed: int) -> None:
        self._database.execute(
            """
            INSERT INTO outbox (name, body)
            SELECT 'retention.stopped', jsonb_build_object('would_archive', %s::int, 'allowed', %s::int)
             WHERE NOT coalesce((SELECT result ? 'stopped' FROM jobs WHERE kind = 'cleanup' AND state = 'done'
                                  ORDER BY finished_at DESC LIMIT 1), false)
            """,
            would_archive,
            allowed,
        )

    def oldest(
        self,
        camera_id: str | None,
        before_ms: int,
        after: Clip | None,
        limit: int,
        attributes: Collection[str] | None,
    ) -> list[Clip]:
        """Uses an index of just these clips, however many are skipped."""
        plates: LiteralString = "ARRAY[]::text[]" if attributes is None else _PLATES
        labels: LiteralString = _LABELS if attributes else "ARRAY[]::text[]"
        camera: LiteralString = "true" if camera_id is None else "camera_id = %(camera)s"
        further: LiteralString = (
            "true"
            if after is None
            else "(coalesce(end_time, deadline), id) > (%(after)s, %(after_id)s)"
        )
        rows = self._database.fetch(
            f"""
            SELECT id, camera_id, coalesce(end_time, deadline) AS ended,
                   CASE WHEN status = 'ready' THEN file_size_bytes ELSE 0 END AS size, {plates} AS plates,
                   {labels} AS labels, {_HIT_DAYS} AS hit_days
              FROM video_segments s
             WHERE status IN ('ready', 'failed') AND NOT protected AND {camera} AND {further}
               AND coalesce(end_time, deadline) < %(before)s
             ORDER BY coalesce(end_time, deadline), id LIMIT %(limit)s
            """,
            {
                "camera": camera_id,
                "before": from_ms(before_ms),
                "limit": limit,
                "attributes": list(attributes or ()),
                "after": None if after is None else from_ms(after.end_ms),
                "after_id": None if after is None else after.segment_id,
            },
        )
        return [
            Clip(
                row["id"], row["camera_id"], to_ms(row["ended"]), row["size"] or 0, protected=False,
                plates=row["plates"], labels=row["labels"], hit_days=row["hit_days"],
            )
            for row in rows
        ]  # fmt: skip

    def used_bytes(self) -> dict[str, int]:
        rows = self._database.fetch(
            "SELECT camera_id, sum(bytes)::bigint AS bytes FROM camera_totals WHERE status = 'ready' GROUP BY camera_id"
        )
        return {row["camera_id"]: int(row["bytes"]) for row in rows}

    def expiring_bytes(self) -> int:
        row = self._database.fetch_one(
            "SELECT coalesce(sum(bytes), 0)::bigint AS n FROM camera_totals WHERE status = 'expiring'"
        )
        return 0 if row is None else int(row["n"])

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Holds a connection of its own meanwhile."""
        with self._database.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('retention', 0))")
            yield

    def mark_expiring(self, verdicts: Sequence[Verdict]) -> list[UUID]:
        """Checks every condition again: a person may have protected a clip since it was judged."""
        reasons = {verdict.segment_id: verdict.reason for verdict in verdicts}
        with self._database.transaction() as connection:
            return mark(connection, reasons, "retention")

    def expiring(self, grace_s: float, limit: int, after: Marked | None) -> list[Marked]:
        """In order of marking."""
        rows = self._database.fetch(
            """
            SELECT id, array_remove(ARRAY[file_path, thumbnail_path, strip_path], NULL) AS keys, archived_at
              FROM video_segments
             WHERE status = 'expiring' AND archived_at < now() - make_interval(secs => %(grace)s)
               AND (%(after)s::timestamptz IS NULL OR (archived_at, id) > (%(after)s, %(after_id)s))
             ORDER BY archived_at, id LIMIT %(limit)s
            """,
            {
                "grace": grace_s,
                "limit": limit,
                "after": None if after is None else after.marked_at,
                "after_id": None if after is None else after.segment_id,
            },
        )
        return [Marked(row["id"], tuple(row["keys"]), row["archived_at"]) for row in rows]

    def record_expired(self, segment_ids: Sequence[UUID]) -> int:
        """Parts that a failed segment still has are deleted when they are settled."""
        return self._database.execute(
            """
            UPDATE video_segments SET status = 'expired', expired_at = now(), updated_at = now()
             WHERE id = ANY(%s) AND status = 'expiring'
            """,
            list(segment_ids),
        )

    def purge_reads(self, kept: ReadsKept, limit: int) -> int:
        with self._database.transaction() as connection:
            return purge_reads(connection, kept, limit)

    def purge_passes(self, kept: ReadsKept, limit: int) -> int:
        with self._database.transaction() as connection:
            return purge_passes(connection, kept, limit)

    def purge_access_log(self, days: float, limit: int) -> int:
        with self._database.transaction() as connection:
            return purge_access_log(connection, days * DAY_SECONDS, limit)


def mark(connection: Connection, reasons: Mapping[UUID, str], who: str) -> list[UUID]:
    """Mark segments that are ready or failed and not protected, each with its reason.

    Returns those that were marked.
    """
    rows: list[DictRow] = connection.execute(
        """
        WITH asked AS (SELECT * FROM unnest(%(ids)s::uuid[], %(reasons)s::text[]) AS a (id, reason)),
        locked AS (
            SELECT s.id FROM video_segments s JOIN asked USING (id)
             WHERE NOT s.protected AND s.status IN ('ready', 'failed') ORDER BY s.id FOR UPDATE OF s
        ), marked AS (
            UPDATE video_segments s SET status = 'expiring', archived_at = now(), archived_by = %(who)s,
                   archived_reason = asked.reason, updated_at = now()
              FROM asked JOIN locked USING (id) WHERE s.id = asked.id RETURNING s.id, s.camera_id, asked.reason
        ), told AS (
            INSERT INTO outbox (name, body)
            SELECT 'segment.deleted', jsonb_build_object('segment_id', id, 'camera_id', camera_id, 'reason', reason)
              FROM marked
        )
        SELECT id FROM marked
        """,
        {"ids": list(reasons), "reasons": list(reasons.values()), "who": who},
    ).fetchall()
    return as_uuids(rows)
