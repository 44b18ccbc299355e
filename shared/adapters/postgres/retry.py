"""Writes what `shared.domain.retry` decided into the rows of a part or a segment.

The counts are read under the row's lock, in the transaction that writes the decision: two processes
that see a run end at once cannot both count it.
"""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection
from shared.adapters.postgres.events import emit
from shared.domain.events import EventName
from shared.domain.retry import GiveUp, Later

MAX_ERROR = 500  # characters of an error that a row keeps


def running_part(connection: Connection, part_id: UUID, token: str) -> DictRow | None:
    """Lock a part whose run has this token. Returns its counts, None where the run is no longer
    current.
    """
    _for_a_moment(connection)
    return connection.execute(
        "SELECT attempts, retries FROM segment_parts WHERE id = %s AND token = %s AND state = 'running' FOR UPDATE",
        [part_id, token],
    ).fetchone()


def _for_a_moment(connection: Connection) -> None:
    """A lease must be able to run out although a writer froze or lost its line just now."""
    connection.execute("SET LOCAL idle_in_transaction_session_timeout = '3s'")


def running_clip(connection: Connection, segment_id: UUID, token: str) -> DictRow | None:
    """Lock a segment whose finalising run has this token. Returns its counts and camera, None where
    none is current.
    """
    _for_a_moment(connection)
    return connection.execute(
        """
        SELECT attempts, retries, camera_id FROM video_segments
         WHERE id = %s AND lease_token = %s AND status = 'finalizing' FOR UPDATE
        """,
        [segment_id, token],
    ).fetchone()


def settle_part(
    connection: Connection, part_id: UUID, decision: Later | GiveUp, error: str
) -> None:
    """End a part's run.

    error: why it did not succeed; the row has it until the part is done.
    """
    if isinstance(decision, GiveUp):
        connection.execute(
            "UPDATE segment_parts SET state = 'gap', error = %s, token = NULL, lease_until = NULL WHERE id = %s",
            [decision.cause[:MAX_ERROR], part_id],
        )
        return
    connection.execute(
        """
        UPDATE segment_parts SET state = 'due', error = %s, token = NULL, lease_until = NULL, attempts = %s,
               retries = %s, not_before = now() + make_interval(secs => %s)
         WHERE id = %s
        """,
        [error[:MAX_ERROR], decision.attempts, decision.retries, decision.seconds, part_id],
    )


def settle_clip(
    connection: Connection,
    segment_id: UUID,
    camera_id: str,
    decision: Later | GiveUp,
    error: str | None,
) -> None:
    """End a finalising run. error: why it did not succeed, None to leave what the row says.

    A segment that is given up is FAILED, with its event. Its parts stay for a repair.
    """
    if isinstance(decision, GiveUp):
        cause = decision.cause[:MAX_ERROR]
        connection.execute(
            """
            UPDATE video_segments SET status = 'failed', error = %s, lease_token = NULL, lease_until = NULL,
                   offered_at = NULL, updated_at = now()
             WHERE id = %s
            """,
            [cause, segment_id],
        )
        emit(connection, EventName.SEGMENT_FAILED, segment_id, camera_id, error=cause)
        return
    connection.execute(
        """
        UPDATE video_segments SET lease_token = NULL, lease_until = NULL, offered_at = NULL, attempts = %s,
               retries = %s, not_before = now() + make_interval(secs => %s), error = coalesce(%s, error),
               updated_at = now()
         WHERE id = %s
        """,
        [
            decision.attempts,
            decision.retries,
            decision.seconds,
            None if error is None else error[:MAX_ERROR],
            segment_id,
        ],
    )
