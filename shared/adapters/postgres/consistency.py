"""Rows as the consistency check compares them with objects, and repairs them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection, Database, as_uuids, lock_camera
from shared.adapters.postgres.events import emit
from shared.adapters.postgres.pacer import WAKE
from shared.adapters.postgres.windows import apply
from shared.domain.errors import Conflict, NotFound
from shared.domain.events import EventName
from shared.domain.gaps import GapCause
from shared.domain.lifecycle import SegmentStatus
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Expectation, FinishedClip, ReadyClip, ReadyStrip
from shared.domain.recording import Closed
from shared.domain.timing import to_ms

SUSPECTS_KEPT_SECONDS = 7 * 86_400
MOST_LISTED = 10_000  # of what a crash left: the next run takes the rest


class PostgresConsistencyRows:
    """Implements the port `ConsistencyRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deployment_id(self) -> UUID:
        row = self._database.fetch_one("SELECT id FROM deployment")
        if row is None:
            raise NotFound("the database has lost its deployment id")
        return UUID(str(row["id"]))

    def expected(self, keys: Sequence[str]) -> dict[str, Expectation]:
        """An expired segment expects nothing; a part expects the key of its committed run."""
        rows = self._database.fetch(
            """
            SELECT file_path AS key, id, file_size_bytes AS size FROM video_segments
             WHERE file_path = ANY(%(keys)s) AND status <> 'expired'
            UNION ALL
            SELECT thumbnail_path, id, NULL FROM video_segments
             WHERE thumbnail_path = ANY(%(keys)s) AND status <> 'expired'
            UNION ALL
            SELECT strip_path, id, NULL FROM video_segments
             WHERE strip_path COLLATE "C" = ANY(%(keys)s) AND status <> 'expired'
            UNION ALL
            SELECT object_key, segment_id, (facts->>'size_bytes')::bigint FROM segment_parts
             WHERE object_key = ANY(%(keys)s)
            UNION ALL
            SELECT key, p.id, NULL FROM unnest(%(keys)s::text[]) AS key
              JOIN passes p ON p.picture_path = regexp_replace(key, '-(plate|scene)[.]jpg$', '')
            UNION ALL
            SELECT key, d.pass_id, NULL FROM unnest(%(keys)s::text[]) AS key
              JOIN detections d ON d.picture_path = regexp_replace(key, '-(plate|scene)[.]jpg$', '')
            """,
            {"keys": list(keys)},
        )
        return {row["key"]: Expectation(row["id"], row["size"]) for row in rows}

    def count_ready(self) -> int:
        row = self._database.fetch_one(
            "SELECT count(*) AS n FROM video_segments WHERE status = 'ready'"
        )
        return 0 if row is None else int(row["n"])

    def now_ms(self) -> int:
        return self._database.now_ms()

    def ready_clips(self, after: str, until: str | None, limit: int) -> list[ReadyClip]:
        rows = self._database.fetch(
            """
            SELECT id, file_path, file_size_bytes, sha256, frame_count FROM video_segments
             WHERE status = 'ready' AND file_path COLLATE "C" > %(after)s
               AND (%(until)s::text IS NULL OR file_path COLLATE "C" <= %(until)s)
             ORDER BY file_path COLLATE "C" LIMIT %(limit)s
            """,
            {"after": after, "until": until, "limit": limit},
        )
        return [_ready_clip(row) for row in rows]

    def ready_clip(self, key: str) -> ReadyClip | None:
        row = self._database.fetch_one(
            """
            SELECT id, file_path, file_size_bytes, sha256, frame_count FROM video_segments
             WHERE status = 'ready' AND file_path = %s
            """,
            key,
        )
        return None if row is None else _ready_clip(row)

    def ready_strips(self, after: str, until: str | None, limit: int) -> list[ReadyStrip]:
        rows = self._database.fetch(
            """
            SELECT id, strip_path FROM video_segments
             WHERE status = 'ready' AND strip IS NOT NULL AND strip_path COLLATE "C" > %(after)s
               AND (%(until)s::text IS NULL OR strip_path COLLATE "C" <= %(until)s)
             ORDER BY strip_path COLLATE "C" LIMIT %(limit)s
            """,
            {"after": after, "until": until, "limit": limit},
        )
        return [ReadyStrip(row["id"], row["strip_path"]) for row in rows]

    def has_strip(self, key: str) -> bool:
        row = self._database.fetch_one(
            """
            SELECT FROM video_segments
             WHERE status = 'ready' AND strip IS NOT NULL AND strip_path COLLATE "C" = %s
            """,
            key,
        )
        return row is not None

    def forget_strip(self, key: str) -> bool:
        forgotten = self._database.fetch(
            """
            UPDATE video_segments SET strip = NULL, strip_path = NULL, updated_at = now()
             WHERE status = 'ready' AND strip_path COLLATE "C" = %s RETURNING id
            """,
            key,
        )
        return bool(forgotten)

    def note_suspects(
        self, run_id: UUID, kind: str, suspects: Sequence[tuple[str, UUID | None]]
    ) -> None:
        """A step that is repeated notes the same keys once."""
        self._database.execute(
            """
            INSERT INTO check_suspects (run_id, kind, key, segment_id)
            SELECT %(run)s, %(kind)s, * FROM unnest(%(keys)s::text[], %(segments)s::uuid[]) ON CONFLICT DO NOTHING
            """,
            {
                "run": run_id,
                "kind": kind,
                "keys": [key for key, _ in suspects],
                "segments": [segment_id for _, segment_id in suspects],
            },
        )

    def suspects(self, run_id: UUID, kind: str, after: str, limit: int) -> list[str]:
        rows = self._database.fetch(
            "SELECT key FROM check_suspects WHERE run_id = %s AND kind = %s AND key > %s ORDER BY key LIMIT %s",
            run_id,
            kind,
            after,
            limit,
        )
        return [row["key"] for row in rows]

    def forget_suspects(self, run_id: UUID) -> None:
        self._database.execute(
            "DELETE FROM check_suspects WHERE run_id = %s OR noted_at < now() - make_interval(secs => %s)",
            run_id,
            SUSPECTS_KEPT_SECONDS,
        )

    def finished_with_parts(self, older_than_s: float, limit: int) -> list[FinishedClip]:
        rows = self._database.fetch(
            """
            SELECT s.id, s.status, s.file_path, s.file_size_bytes
              FROM (SELECT DISTINCT segment_id FROM segment_parts) p JOIN video_segments s ON s.id = p.segment_id
             WHERE s.status IN ('ready', 'expiring', 'expired') AND s.updated_at <= now() - make_interval(secs => %s)
             ORDER BY s.updated_at LIMIT %s
            """,
            older_than_s,
            limit,
        )
        return [
            FinishedClip(
                row["id"], SegmentStatus(row["status"]), row["file_path"], row["file_size_bytes"]
            )
            for row in rows
        ]

    def unfinished(self, older_than_s: float) -> list[UUID]:
        """A current lease is a writer at work, and a pacer that looks will go on with all
        segments.
        """
        rows = self._database.fetch(
            """
            SELECT id FROM video_segments s
             WHERE status IN ('recording', 'finalizing') AND coalesce(lease_until < now(), true)
               AND greatest(deadline, updated_at, offered_at) < now() - make_interval(secs => %(age)s)
               AND NOT EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id AND p.state = 'running'
                                  AND p.lease_until >= now())
               AND NOT EXISTS (SELECT FROM deployment WHERE paced_at >= now() - make_interval(secs => %(age)s))
             ORDER BY start_time LIMIT %(limit)s
            """,
            {"age": older_than_s, "limit": MOST_LISTED},
        )
        return as_uuids(rows)

    def failed_with_parts(self, most_repairs: int) -> list[UUID]:
        rows = self._database.fetch(
            """
            SELECT id FROM video_segments s
             WHERE status = 'failed' AND repairs <= %s
               AND EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id AND p.state = 'done'
                              AND p.object_key IS NOT NULL)
             ORDER BY start_time LIMIT %s
            """,
            most_repairs,
            MOST_LISTED,
        )
        return as_uuids(rows)

    def half_deleted(self, older_than_s: float) -> list[UUID]:
        rows = self._database.fetch(
            """
            SELECT id FROM video_segments
             WHERE status = 'expiring' AND archived_at < now() - make_interval(secs => %s) ORDER BY archived_at
             LIMIT %s
            """,
            older_than_s,
            MOST_LISTED,
        )
        return as_uuids(rows)

    def reopen(self, segment_id: UUID, reason: str) -> bool:
        """Wakes the pacer.

        A failed segment stays failed where another segment has its time meanwhile.
        """
        try:
            with self._database.transaction() as connection:
                row = _locked(connection, segment_id, ("ready", "failed"))
                if row is None or not row["has_footage"]:
                    return False
                connection.execute(
                    """
                    UPDATE video_segments SET status = 'finalizing', error = %s, repairs = repairs + 1, attempts = 0,
                           retries = 0, lease_token = NULL, lease_until = NULL, offered_at = NULL, not_before = NULL,
                           updated_at = now()
                     WHERE id = %s
                    """,
                    [reason, segment_id],
                )
                emit(
                    connection,
                    EventName.SEGMENT_FINALIZING,
                    segment_id,
                    row["camera_id"],
                    error=reason,
                )
                connection.execute(f"NOTIFY {WAKE}")
        except Conflict:
            return False
        return True

    def lose(self, segment_id: UUID, reason: str) -> bool:
        with self._database.transaction() as connection:
            row = _locked(connection, segment_id, ("ready",))
            if row is None:
                return False
            connection.execute(
                """
                UPDATE video_segments SET status = 'failed', error = %s, repairs = repairs + 1, updated_at = now()
                 WHERE id = %s
                """,
                [reason, segment_id],
            )
            emit(connection, EventName.SEGMENT_FAILED, segment_id, row["camera_id"], error=reason)
        return True

    def give_up(self, segment_id: UUID) -> bool:
        """A writer may still commit the part that it is running now."""
        with self._database.transaction() as connection:
            row = _locked(connection, segment_id, ("recording", "finalizing"))
            if row is None:
                return False
            if row["status"] == "recording":
                closed = Closed(segment_id, to_ms(row["deadline"]), GapCause.ABANDONED)
                apply(
                    connection, row["camera_id"], RecordingPolicy.from_json(row["policy"]), [closed]
                )
            given_up = connection.execute(
                "UPDATE segment_parts SET state = 'due' WHERE segment_id = %s AND state = 'queued'",
                [segment_id],
            ).rowcount
            given_up += connection.execute(
                """
                UPDATE segment_parts SET state = 'gap', error = %s
                 WHERE segment_id = %s AND state = 'due' AND NOT parked
                """,
                [GapCause.ABANDONED, segment_id],
            ).rowcount
            connection.execute(f"NOTIFY {WAKE}")
        return given_up > 0 or row["status"] == "recording"

    def forget_parts(self, segment_id: UUID) -> bool:
        """Holds the camera's lock, as `reopen` does, so that only one of the two finds what it
        needs.
        """
        with self._database.transaction() as connection:
            if _locked(connection, segment_id, ("ready", "expiring", "expired")) is None:
                return False
            return (
                connection.execute(
                    "DELETE FROM segment_parts WHERE segment_id = %s", [segment_id]
                ).rowcount
                > 0
            )


def _ready_clip(row: DictRow) -> ReadyClip:
    return ReadyClip(
        segment_id=row["id"],
        key=row["file_path"],
        size_bytes=row["file_size_bytes"],
        sha256=row["sha256"],
        frame_count=row["frame_count"],
    )


def _locked(connection: Connection, segment_id: UUID, statuses: tuple[str, ...]) -> DictRow | None:
    """Returns the segment under its camera's lock, if it is in one of these states."""
    camera = connection.execute(
        "SELECT camera_id FROM video_segments WHERE id = %s", [segment_id]
    ).fetchone()
    if camera is None:
        return None
    lock_camera(connection, camera["camera_id"])
    return connection.execute(
        """
        SELECT s.*, EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id AND p.state = 'done'
                               AND p.object_key IS NOT NULL) AS has_footage
          FROM video_segments s WHERE id = %s AND status = ANY(%s) FOR UPDATE
        """,
        [segment_id, list(statuses)],
    ).fetchone()
