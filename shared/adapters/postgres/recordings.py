"""Windows and parts as the pacer moves them: planning, closing, offering, taking back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow

from shared.adapters.postgres.database import (
    CHECK_SECONDS,
    Connection,
    Database,
    connect,
    kinds,
    lock_camera,
    patience,
)
from shared.adapters.postgres.outbox import Hooks, emit, relay
from shared.adapters.postgres.windows import apply, load_growing, plan_parts
from shared.domain.errors import Retryable
from shared.domain.lifecycle import MAX_ATTEMPTS
from shared.domain.parts import parts_passed
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import LiveSegment, PartView
from shared.domain.recording import Reached, step
from shared.domain.timing import to_ms

REOFFER_SECONDS = 30
WAKE = "platereel_wake"


class PacerRepository:
    """The pacer's half of the port `Recordings`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ear: Connection | None = None

    def live(self) -> list[LiveSegment]:
        """See the port; two statements in one transaction."""
        with self._database.transaction() as connection:
            segments = connection.execute(
                """
                SELECT id, camera_id, status, start_time, deadline, covered_to, policy,
                       status = 'finalizing' AND lease_token IS NULL AND (not_before IS NULL OR not_before <= now())
                       AND (offered_at IS NULL OR offered_at < now() - make_interval(secs => %s))
                       AND NOT EXISTS (SELECT FROM segment_parts p
                                        WHERE p.segment_id = s.id AND p.state NOT IN ('done', 'gap')) AS offerable
                  FROM video_segments s WHERE status IN ('recording', 'finalizing') ORDER BY start_time
                """,
                [REOFFER_SECONDS],
            ).fetchall()
            parts = connection.execute(
                """
                SELECT p.id, p.segment_id, p.number, p.start_time, p.end_time, p.state, p.parked,
                       CASE p.state WHEN 'due' THEN p.not_before IS NULL OR p.not_before <= now()
                                    WHEN 'queued' THEN p.offered_at < now() - make_interval(secs => %s)
                                    ELSE false END AS offerable
                  FROM segment_parts p WHERE p.segment_id = ANY(%s) AND p.state NOT IN ('done', 'gap')
                 ORDER BY p.start_time
                """,
                [REOFFER_SECONDS, [row["id"] for row in segments]],
            ).fetchall()
        grouped: dict[UUID, list[PartView]] = defaultdict(list)
        for row in parts:
            grouped[row["segment_id"]].append(
                PartView(
                    row["id"], row["number"], to_ms(row["start_time"]), to_ms(row["end_time"]), row["state"],
                    row["offerable"], row["parked"],
                )
            )  # fmt: skip
        return [_live(row, tuple(grouped[row["id"]])) for row in segments]

    def advance(self, camera_id: str, watermark_ms: int, *, silent: bool) -> bool:
        """See the port; one transaction under the camera's lock."""
        with self._database.transaction() as connection:
            lock_camera(connection, camera_id)
            windows = load_growing(connection, camera_id)
            growing = windows.growing
            if growing is None:
                return False
            row = connection.execute(
                "SELECT covered_to, policy FROM video_segments WHERE id = %s", [growing.segment_id]
            ).fetchone()
            if row is None:
                return False
            policy = RecordingPolicy.from_json(row["policy"])
            passed = parts_passed(to_ms(row["covered_to"]), growing.end_ms, policy.part_ms, watermark_ms)
            planned = plan_parts(connection, growing.segment_id, passed)
            _, effects = step(windows, Reached(watermark_ms, silent), uuid4)
            apply(connection, camera_id, policy, effects)
            return planned > 0 or bool(effects)

    def offer_part(self, part_id: UUID) -> int | None:
        """See the port; of two pacers one gets the number."""
        row = self._database.fetch_one(
            """
            UPDATE segment_parts SET state = 'queued', offer = offer + 1, offered_at = now(), not_before = NULL
             WHERE id = %s AND (state = 'due' OR (state = 'queued'
                                                  AND offered_at < now() - make_interval(secs => %s)))
            RETURNING offer
            """,
            part_id,
            REOFFER_SECONDS,
        )
        return None if row is None else int(row["offer"])

    def withdraw_offer(self, part_id: UUID, offer: int) -> None:
        """See the port."""
        self._database.execute(
            "UPDATE segment_parts SET state = 'due' WHERE id = %s AND offer = %s AND state = 'queued'", part_id, offer
        )

    def offer_finalise(self, segment_id: UUID) -> int | None:
        """See the port."""
        row = self._database.fetch_one(
            """
            UPDATE video_segments SET offer = offer + 1, offered_at = now(), not_before = NULL
             WHERE id = %s AND status = 'finalizing' AND lease_token IS NULL
               AND (offered_at IS NULL OR offered_at < now() - make_interval(secs => %s))
            RETURNING offer
            """,
            segment_id,
            REOFFER_SECONDS,
        )
        return None if row is None else int(row["offer"])

    def withdraw_finalise(self, segment_id: UUID, offer: int) -> None:
        """The offer could not be published: make the segment offerable again."""
        self._database.execute(
            "UPDATE video_segments SET offered_at = NULL WHERE id = %s AND offer = %s AND lease_token IS NULL",
            segment_id,
            offer,
        )

    def expire_leases(self) -> int:
        """See the port. A run whose lease ran out is dead or frozen; its token commits nothing any more."""
        with self._database.transaction() as connection:
            parts = connection.execute(
                """
                UPDATE segment_parts SET token = NULL, lease_until = NULL,
                       state = CASE WHEN attempts >= %(most)s THEN 'gap' ELSE 'due' END,
                       error = CASE WHEN attempts >= %(most)s THEN 'writer_failed' ELSE 'lease_expired' END
                 WHERE id IN (SELECT id FROM segment_parts WHERE state = 'running' AND lease_until < now()
                               FOR UPDATE SKIP LOCKED)
                """,
                {"most": MAX_ATTEMPTS},
            ).rowcount
            rows = connection.execute(
                """
                UPDATE video_segments SET lease_token = NULL, lease_until = NULL, offered_at = NULL,
                       status = CASE WHEN attempts >= %(most)s THEN 'failed' ELSE status END,
                       error = CASE WHEN attempts >= %(most)s THEN 'finalise_failed' ELSE error END, updated_at = now()
                 WHERE id IN (SELECT id FROM video_segments WHERE status = 'finalizing' AND lease_until < now()
                               FOR UPDATE SKIP LOCKED)
                RETURNING id, camera_id, status
                """,
                {"most": MAX_ATTEMPTS},
            ).fetchall()
            for row in rows:
                if row["status"] == "failed":
                    body = {"segment_id": str(row["id"]), "camera_id": row["camera_id"], "error": "finalise_failed"}
                    emit(connection, "segment.failed", body)
        return parts + len(rows)

    def relay_events(self, publish: Callable[[str, Mapping[str, Any]], None], limit: int, hooks: Hooks) -> int:
        """See the port."""
        with self._database.transaction() as connection:
            return relay(connection, publish, limit, hooks)

    def wait(self, timeout_s: float) -> None:
        """See the port. Listens on a connection of its own, opened again after it broke."""
        try:
            with kinds():
                if self._ear is None:
                    self._ear = connect(self._database.url, autocommit=True)
                    with patience.within(self._ear, CHECK_SECONDS):
                        self._ear.execute(f"LISTEN {WAKE}")
                for _ in self._ear.notifies(timeout=timeout_s, stop_after=1):
                    return
        except Retryable:
            self.close()
            raise

    def close(self) -> None:
        """Close the listening connection."""
        if self._ear is not None:
            try:
                self._ear.close()
            except psycopg.Error:
                return
            finally:
                self._ear = None


def _live(row: DictRow, parts: tuple[PartView, ...]) -> LiveSegment:
    return LiveSegment(
        row["id"], row["camera_id"], row["status"], to_ms(row["start_time"]), to_ms(row["deadline"]),
        to_ms(row["covered_to"]), RecordingPolicy.from_json(row["policy"]), parts, row["offerable"],
    )  # fmt: skip
