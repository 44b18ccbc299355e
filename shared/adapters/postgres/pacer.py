"""Windows and parts as the pacer moves them: planning, closing, taking back."""

from __future__ import annotations

from uuid import uuid4

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Database, lock_camera
from shared.adapters.postgres.ear import Ear
from shared.adapters.postgres.events import Publish, Webhooks, relay
from shared.adapters.postgres.retry import settle_clip, settle_part
from shared.adapters.postgres.window_rows import growing_alone, load_growing
from shared.adapters.postgres.windows import apply, link, plan_parts
from shared.domain.gaps import GapCause
from shared.domain.lifecycle import SegmentStatus
from shared.domain.parts import parts_passed
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import LiveSegment
from shared.domain.recording import Effect, Reached, Switched, step
from shared.domain.retry import NO_PAUSE_SECONDS, GiveUp, Later, retry_decision
from shared.domain.timing import to_ms

WAKE = "platereel_wake"
PACED_SECONDS = 10


class PostgresPacerRows:
    """Implements the port `PacerRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ear = Ear(database.url, WAKE)

    def live(self) -> list[LiveSegment]:
        """Reads one row a segment, however many parts wait."""
        rows = self._database.fetch(
            """
            SELECT s.id, s.camera_id, s.status, s.start_time, s.deadline, s.covered_to, s.policy, s.late_ms,
                   p.needed, p.due
              FROM video_segments s CROSS JOIN LATERAL (
                    SELECT min(start_time) FILTER (WHERE NOT parked) AS needed,
                           coalesce(bool_or(state = 'due'), false) AS due
                      FROM segment_parts p WHERE p.segment_id = s.id AND p.state NOT IN ('done', 'gap')) p
             WHERE s.status IN ('recording', 'finalizing') ORDER BY s.start_time
            """
        )
        return [_live(row) for row in rows]

    def parked_parts(self) -> set[tuple[str, str]]:
        rows = self._database.fetch(
            """
            SELECT s.camera_id, p.id FROM segment_parts p JOIN video_segments s ON s.id = p.segment_id
             WHERE p.parked AND p.state NOT IN ('done', 'gap')
            """
        )
        return {(row["camera_id"], str(row["id"])) for row in rows}

    def advance(
        self,
        camera_id: str,
        watermark_ms: int,
        *,
        silent: bool,
        still_ms: int = 0,
        behind_ms: int = 0,
        deadline_ms: int | None = None,
    ) -> bool:
        """One transaction under the camera's lock."""
        with self._database.pipelined() as connection:
            lock_camera(connection, camera_id)
            row = load_growing(connection, camera_id)
            windows = growing_alone(row)
            growing = windows.growing
            if row is None or growing is None:
                return False
            unchanged = deadline_ms is None or deadline_ms == growing.end_ms
            reached = Reached(watermark_ms, silent and unchanged, still_ms, behind_ms)
            policy = RecordingPolicy.from_json(row["policy"])
            late_ms = growing.late_ms + behind_ms
            passed = parts_passed(
                covered_to_ms=to_ms(row["covered_to"]),
                deadline_ms=growing.end_ms,
                part_ms=policy.part_ms,
                watermark_ms=watermark_ms,
                late_ms=late_ms,
            )
            planned = plan_parts(connection, growing.segment_id, passed)
            _, effects = step(windows, reached, uuid4)
            apply(connection, camera_id, policy, effects)
            return planned > 0 or bool(effects)

    def switch(self, camera_id: str, policy: RecordingPolicy) -> bool:
        """One transaction under the camera's lock."""
        with self._database.transaction() as connection:
            lock_camera(connection, camera_id)
            row = load_growing(connection, camera_id)
            before = growing_alone(row)
            growing = before.growing
            if row is None or growing is None or policy.since_ms is None:
                return False
            now, covered_to_ms = RecordingPolicy.from_json(row["policy"]), to_ms(row["covered_to"])
            wanted = policy.at(growing.start_ms)
            if wanted.codec != now.codec and covered_to_ms == growing.start_ms:
                connection.execute(
                    "UPDATE video_segments SET policy = %s, codec = %s WHERE id = %s",
                    [Jsonb(wanted.to_json()), wanted.codec, growing.segment_id],
                )
                now = wanted
            border_ms = max(policy.since_ms, covered_to_ms)
            windows, effects = before, tuple[Effect, ...]()
            if now.codec != policy.codec:
                windows, effects = step(before, Switched(border_ms), uuid4)
            apply(connection, camera_id, policy, effects)
            stretches = [(camera_id, *stretch) for stretch in windows.beyond(before)]
            link(connection, met=[], stretches=stretches)
            return bool(effects) or now is wanted

    def expire_leases(self) -> int:
        """A run whose lease ran out is dead or frozen; its token commits nothing any more."""
        with self._database.transaction() as connection:
            connection.execute(
                """
                UPDATE deployment SET paced_at = now()
                 WHERE paced_at IS NULL OR paced_at < now() - make_interval(secs => %s)
                """,
                [PACED_SECONDS],
            )
            parts = connection.execute(
                """
                SELECT id, attempts, retries FROM segment_parts WHERE state = 'running' AND lease_until < now()
                   FOR UPDATE SKIP LOCKED
                """
            ).fetchall()
            for row in parts:
                settle_part(
                    connection, row["id"], _expired(row, GapCause.WRITER_FAILED), "lease_expired"
                )
            clips = connection.execute(
                """
                SELECT id, camera_id, attempts, retries FROM video_segments
                 WHERE status = 'finalizing' AND lease_until < now() FOR UPDATE SKIP LOCKED
                """
            ).fetchall()
            for row in clips:
                settle_clip(
                    connection=connection,
                    segment_id=row["id"],
                    camera_id=row["camera_id"],
                    decision=_expired(row, "finalise_failed"),
                    error=None,
                )
        return len(parts) + len(clips)

    def relay_events(self, publish: Publish, limit: int, webhooks: Webhooks) -> int:
        with self._database.transaction() as connection:
            return relay(connection, publish, limit, webhooks)

    def wait(self, timeout_s: float) -> None:
        self._ear.wait(timeout_s)

    def close(self) -> None:
        """Close the listening connection."""
        self._ear.close()


def _expired(row: DictRow, cause: str) -> Later | GiveUp:
    """Returns what becomes of a run whose lease ran out."""
    return retry_decision(
        attempts=row["attempts"],
        retries=row["retries"],
        retryable=False,
        cause=cause,
        longest_s=NO_PAUSE_SECONDS,
    )


def _live(row: DictRow) -> LiveSegment:
    return LiveSegment(
        segment_id=row["id"],
        camera_id=row["camera_id"],
        status=SegmentStatus(row["status"]),
        start_ms=to_ms(row["start_time"]),
        deadline_ms=to_ms(row["deadline"]),
        covered_to_ms=to_ms(row["covered_to"]),
        policy=RecordingPolicy.from_json(row["policy"]),
        needed_ms=None if row["needed"] is None else to_ms(row["needed"]),
        has_due=row["due"],
        late_ms=row["late_ms"],
    )
