"""Runs: how a writer takes a part or a segment, keeps it by a lease, and commits under its
token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import LiteralString
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection, Database
from shared.adapters.postgres.events import emit
from shared.adapters.postgres.pacer import WAKE
from shared.adapters.postgres.part_facts import (
    facts_json,
    facts_of,
    form_of_row,
    gaps_json,
    stored_part,
)
from shared.adapters.postgres.retry import running_clip, running_part, settle_clip, settle_part
from shared.domain.events import EventName
from shared.domain.gaps import Gap, GapCause, PartFacts
from shared.domain.lifecycle import LEASE_SECONDS
from shared.domain.parts import ClipForm
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import ClipFacts, FinaliseRun, PartRun
from shared.domain.retry import PARKED_PAUSE_SECONDS, put_off, retry_decision
from shared.domain.timing import from_ms, to_ms
from shared.wire.keys import strip_key

# enough to find a log line by; a vehicle that stays has thousands
_DETECTIONS: LiteralString = """
    ARRAY(SELECT d.detection_id FROM segment_detections d WHERE d.segment_id = s.id
           ORDER BY d.offset_ms, d.detection_id LIMIT 20) AS detections
"""


class PostgresWriterRows:
    """Implements the port `WriterRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_part(self, part_id: UUID, offer: int) -> PartRun | None:
        """The token is new for every run, and part of the object's key."""
        row = self._database.fetch_one(
            f"""
            UPDATE segment_parts p SET state = 'running', token = %s, attempts = p.attempts + 1,
                   lease_until = now() + make_interval(secs => %s)
              FROM video_segments s
             WHERE p.id = %s AND p.state = 'queued' AND p.offer = %s AND s.id = p.segment_id
            RETURNING p.id, p.segment_id, p.number, p.start_time, p.end_time, p.token, p.attempts, p.parked, p.facts,
                      p.thumbnail, s.camera_id, s.trigger_time, s.policy, s.width, s.height, s.encoder,
                      s.pixel_aspect, {_DETECTIONS}
            """,
            uuid4().hex[:12],
            LEASE_SECONDS,
            part_id,
            offer,
        )
        if row is None:
            return None
        return PartRun(
            part_id=row["id"],
            segment_id=row["segment_id"],
            camera_id=row["camera_id"],
            number=row["number"],
            start_ms=to_ms(row["start_time"]),
            end_ms=to_ms(row["end_time"]),
            trigger_ms=to_ms(row["trigger_time"]),
            token=row["token"],
            attempts=row["attempts"],
            policy=RecordingPolicy.from_json(row["policy"]),
            form=form_of_row(row),
            parked=facts_of(row) if row["parked"] else None,
            detections=tuple(row["detections"]),
        )

    def renew_part(self, part_id: UUID, token: str) -> bool:
        return self._database.execute(
            """
            UPDATE segment_parts SET lease_until = now() + make_interval(secs => %s)
             WHERE id = %s AND token = %s AND state = 'running'
            """,
            LEASE_SECONDS,
            part_id,
            token,
        ) == 1  # fmt: skip

    def fix_form(self, segment_id: UUID, form: ClipForm) -> ClipForm:
        """The first part to arrive here decides."""
        row = self._database.fetch_one(
            """
            UPDATE video_segments SET width = coalesce(width, %(width)s), height = coalesce(height, %(height)s),
                   encoder = coalesce(encoder, %(encoder)s),
                   pixel_aspect = CASE WHEN width IS NULL THEN %(aspect)s ELSE pixel_aspect END
             WHERE id = %(id)s RETURNING width, height, encoder, pixel_aspect
            """,
            {
                "width": form.width,
                "height": form.height,
                "encoder": form.encoder,
                "aspect": None if form.aspect == (1, 1) else "{}:{}".format(*form.aspect),
                "id": segment_id,
            },
        )
        return (None if row is None else form_of_row(row)) or form

    def commit_part(
        self, part_id: UUID, token: str, object_key: str | None, facts: PartFacts
    ) -> bool:
        """Wakes the pacer."""
        with self._database.transaction() as connection:
            done = connection.execute(
                """
                UPDATE segment_parts SET state = 'done', object_key = %s, facts = %s, thumbnail = %s, error = NULL,
                       lease_until = NULL, parked = false
                 WHERE id = %s AND token = %s AND state = 'running'
                """,
                [object_key, Jsonb(facts_json(facts)), facts.thumbnail, part_id, token],
            ).rowcount
            if done:
                connection.execute(f"NOTIFY {WAKE}")
        return done == 1

    def park_part(self, part_id: UUID, token: str, facts: PartFacts, reason: str) -> bool:
        """The run is not counted as an attempt."""
        with self._database.transaction() as connection:
            row = running_part(connection, part_id, token)
            if row is None:
                return False
            connection.execute(
                "UPDATE segment_parts SET parked = true, facts = %s, thumbnail = %s WHERE id = %s",
                [Jsonb(facts_json(facts)), facts.thumbnail, part_id],
            )
            later = put_off(
                attempts=row["attempts"], retries=row["retries"], longest_s=PARKED_PAUSE_SECONDS
            )
            settle_part(connection, part_id, later, reason)
        return True

    def fail_part(self, part_id: UUID, token: str, reason: str, *, retryable: bool) -> None:
        with self._database.transaction() as connection:
            row = running_part(connection, part_id, token)
            if row is not None:
                decision = retry_decision(
                    attempts=row["attempts"],
                    retries=row["retries"],
                    retryable=retryable,
                    cause=GapCause.WRITER_FAILED,
                )
                settle_part(connection, part_id, decision, reason)

    def begin_finalise(self, segment_id: UUID, offer: int) -> FinaliseRun | None:
        """Reads the parts too."""
        with self._database.transaction() as connection:
            row = connection.execute(
                f"""
                UPDATE video_segments s SET lease_token = %s, attempts = attempts + 1, updated_at = now(),
                       lease_until = now() + make_interval(secs => %s)
                 WHERE id = %s AND offer = %s AND offered_at IS NOT NULL AND status = 'finalizing'
                   AND lease_token IS NULL
                   AND NOT EXISTS (SELECT FROM segment_parts p
                                    WHERE p.segment_id = s.id AND p.state NOT IN ('done', 'gap'))
                RETURNING s.*, (SELECT coalesce(n.first_frame_at, n.start_time) FROM video_segments n
                                 WHERE n.id = s.continues AND n.status IN ('recording', 'finalizing', 'ready')) AS since
                        , {_DETECTIONS}
                """,
                [uuid4().hex[:12], LEASE_SECONDS, segment_id, offer],
            ).fetchone()
            if row is None:
                return None
            parts = connection.execute(
                "SELECT * FROM segment_parts WHERE segment_id = %s ORDER BY start_time",
                [segment_id],
            ).fetchall()
        return FinaliseRun(
            segment_id=row["id"],
            camera_id=row["camera_id"],
            file_path=row["file_path"],
            thumbnail_path=row["thumbnail_path"],
            strip_path=strip_key(row["id"], to_ms(row["start_time"])),
            start_ms=to_ms(row["start_time"]),
            deadline_ms=to_ms(row["deadline"]),
            trigger_ms=to_ms(row["trigger_time"]),
            token=row["lease_token"],
            attempts=row["attempts"],
            policy=RecordingPolicy.from_json(row["policy"]),
            form=form_of_row(row),
            continues_from_ms=None if row["since"] is None else to_ms(row["since"]),
            parts=tuple(stored_part(part) for part in parts),
            closed_early=None if row["closed_early"] is None else GapCause(row["closed_early"]),
            mended=row["repairs"] > 0,
            detections=tuple(row["detections"]),
        )

    def renew_finalise(self, segment_id: UUID, token: str) -> bool:
        return self._database.execute(
            """
            UPDATE video_segments SET lease_until = now() + make_interval(secs => %s)
             WHERE id = %s AND lease_token = %s AND status = 'finalizing'
            """,
            LEASE_SECONDS,
            segment_id,
            token,
        ) == 1  # fmt: skip

    def commit_ready(self, segment_id: UUID, token: str, facts: ClipFacts) -> bool:
        first = from_ms(facts.first_frame_ms)
        with self._database.transaction() as connection:
            row = connection.execute(
                """
                UPDATE video_segments SET status = 'ready', first_frame_at = %s, end_time = %s, duration_seconds = %s,
                       file_size_bytes = %s, sha256 = %s, frame_count = %s, frames_lost = %s, gaps = %s,
                       pre_roll_requested_seconds = %s, pre_roll_delivered_seconds = %s,
                       thumbnail_path = CASE WHEN %s THEN thumbnail_path END, strip_path = %s, strip = %s,
                       truncated_reason = %s, fragments = %s,
                       error = NULL, lease_token = NULL, lease_until = NULL, updated_at = now()
                 WHERE id = %s AND lease_token = %s AND status = 'finalizing'
                RETURNING camera_id, start_time, file_path
                """,
                [
                    first,
                    from_ms(facts.first_frame_ms + facts.duration_ms),
                    facts.duration_ms / 1000,
                    facts.size_bytes,
                    facts.sha256,
                    facts.frame_count,
                    facts.frames_lost,
                    gaps_json(facts.gaps),
                    facts.pre_roll_requested_ms / 1000,
                    facts.pre_roll_delivered_ms / 1000,
                    facts.has_thumbnail,
                    None if facts.strip is None else facts.strip[0],
                    None if facts.strip is None else Jsonb(asdict(facts.strip[1])),
                    facts.truncated_reason,
                    Jsonb([list(span) for span in facts.fragments]),
                    segment_id,
                    token,
                ],
            ).fetchone()
            if row is None:
                return False
            connection.execute(
                """
                UPDATE segment_detections l
                   SET offset_ms = round(extract(epoch FROM d.captured_at - %s) * 1000)
                  FROM detections d
                 WHERE d.detection_id = l.detection_id AND d.camera_id = l.camera_id AND l.segment_id = %s
                """,
                [first, segment_id],
            )
            emit(
                connection,
                EventName.SEGMENT_READY,
                segment_id,
                row["camera_id"],
                file_path=row["file_path"],
                duration_seconds=facts.duration_ms / 1000,
                file_size_bytes=facts.size_bytes,
                **_passes(connection, segment_id),
            )
            connection.execute(f"NOTIFY {WAKE}")
        return True

    def commit_failed(self, segment_id: UUID, token: str, reason: str, gaps: Sequence[Gap]) -> bool:
        with self._database.transaction() as connection:
            row = connection.execute(
                """
                UPDATE video_segments SET status = 'failed', error = %s, gaps = %s, frame_count = 0, frames_lost = %s,
                       lease_token = NULL, lease_until = NULL, updated_at = now()
                 WHERE id = %s AND lease_token = %s AND status = 'finalizing' RETURNING camera_id
                """,
                [reason, gaps_json(gaps), sum(gap.frames for gap in gaps), segment_id, token],
            ).fetchone()
            if row is None:
                return False
            emit(connection, EventName.SEGMENT_FAILED, segment_id, row["camera_id"], error=reason)
            connection.execute(f"NOTIFY {WAKE}")
        return True

    def fail_finalise(self, segment_id: UUID, token: str, reason: str, *, retryable: bool) -> None:
        """After the last attempt the segment is FAILED, and its parts stay for a repair."""
        with self._database.transaction() as connection:
            row = running_clip(connection, segment_id, token)
            if row is not None:
                decision = retry_decision(
                    attempts=row["attempts"],
                    retries=row["retries"],
                    retryable=retryable,
                    cause=reason,
                )
                settle_clip(
                    connection=connection,
                    segment_id=segment_id,
                    camera_id=row["camera_id"],
                    decision=decision,
                    error=reason,
                )


def _passes(connection: Connection, segment_id: UUID) -> dict[str, list[str]]:
    """Returns the ids of a segment's passes and of their hits, so that a listener can attach the
    clip to what it heard before.
    """
    row = connection.execute(
        """
        WITH passes AS (SELECT DISTINCT d.pass_id AS id FROM segment_detections l
                          JOIN detections d USING (detection_id, camera_id)
                         WHERE l.segment_id = %s AND d.pass_id IS NOT NULL)
        SELECT ARRAY(SELECT id::text FROM passes ORDER BY 1) AS pass_ids,
               ARRAY(SELECT h.id::text FROM pass_hits h JOIN passes p ON p.id = h.pass_id
                      WHERE h.kind = 'watch' ORDER BY h.at) AS hit_ids
        """,
        [segment_id],
    ).fetchone()
    return {} if row is None else dict(row)
