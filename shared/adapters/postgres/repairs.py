"""Ways back: what the audit does to rows that a crash or the store left behind."""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection, Database, lock_camera
from shared.adapters.postgres.outbox import emit
from shared.adapters.postgres.recordings import WAKE
from shared.adapters.postgres.windows import apply
from shared.domain.errors import Conflict
from shared.domain.policy import RecordingPolicy
from shared.domain.recording import Closed
from shared.domain.timing import to_ms

ABANDONED = "abandoned"


class RepairRepository:
    """Implements the port `Repairs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reopen(self, segment_id: UUID, reason: str) -> bool:
        """See the port; wakes the pacer. A failed segment whose time another one has taken meanwhile stays failed."""
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
                emit(connection, "segment.finalizing", _body(segment_id, row, reason))
                connection.execute(f"NOTIFY {WAKE}")
        except Conflict:
            return False
        return True

    def lose(self, segment_id: UUID, reason: str) -> bool:
        """See the port."""
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
            emit(connection, "segment.failed", _body(segment_id, row, reason))
        return True

    def give_up(self, segment_id: UUID) -> bool:
        """See the port; what a writer is running now it may still commit."""
        with self._database.transaction() as connection:
            row = _locked(connection, segment_id, ("recording", "finalizing"))
            if row is None:
                return False
            if row["status"] == "recording":
                closed = Closed(segment_id, to_ms(row["deadline"]), ABANDONED)
                apply(connection, row["camera_id"], RecordingPolicy.from_json(row["policy"]), [closed])
            given_up = connection.execute(
                "UPDATE segment_parts SET state = 'due' WHERE segment_id = %s AND state = 'queued'", [segment_id]
            ).rowcount
            given_up += connection.execute(
                """
                UPDATE segment_parts SET state = 'gap', error = %s
                 WHERE segment_id = %s AND state = 'due' AND NOT parked
                """,
                [ABANDONED, segment_id],
            ).rowcount
            connection.execute(f"NOTIFY {WAKE}")
        return given_up > 0 or row["status"] == "recording"

    def forget_parts(self, segment_id: UUID) -> bool:
        """See the port; under the camera's lock, as `reopen`: of the two only one finds what it needs."""
        with self._database.transaction() as connection:
            if _locked(connection, segment_id, ("ready", "expiring", "expired")) is None:
                return False
            return connection.execute("DELETE FROM segment_parts WHERE segment_id = %s", [segment_id]).rowcount > 0


def _locked(connection: Connection, segment_id: UUID, statuses: tuple[str, ...]) -> DictRow | None:
    """The segment under its camera's lock, if it is in one of these states."""
    camera = connection.execute("SELECT camera_id FROM video_segments WHERE id = %s", [segment_id]).fetchone()
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


def _body(segment_id: UUID, row: DictRow, reason: str) -> dict[str, str]:
    return {"segment_id": str(segment_id), "camera_id": row["camera_id"], "error": reason}
