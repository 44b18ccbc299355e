"""Offers: which parts and segments the writers were told of, and which of those messages were lost.

An offer is good until its run begins. It is taken back only when its message can no longer be in
the queue, which is first in, first out: the queue is empty, or something that was offered much
later is already running.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Database
from shared.domain.lifecycle import LEASE_SECONDS
from shared.domain.ports import Offer
from shared.domain.timing import from_ms

# Between the popping of a message and the beginning of its run, and between two publishers of one
# moment. A host that is cut off takes messages along, as it does leases: both are over after the
# same time, so that another host has the work within ten seconds. A run that begins later finds its
# offer taken back, and another one comes.
LOST_AFTER_SECONDS = LEASE_SECONDS
LOST_BATCH = 1_000


class PostgresOfferRows:
    """Implements the port `OfferRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def offer_parts(self, passed: Mapping[UUID, int | None], limit: int) -> list[Offer]:
        """One statement, so that two pacers get different rows."""
        rows = self._database.fetch(
            """
            UPDATE segment_parts SET state = 'queued', offer = offer + 1, offered_at = now(), not_before = NULL
             WHERE id IN (
                SELECT p.id FROM unnest(%(segments)s::uuid[], %(until)s::timestamptz[]) AS w (segment_id, until)
                  JOIN segment_parts p USING (segment_id)
                 WHERE p.state = 'due' AND (p.not_before IS NULL OR p.not_before <= now())
                   AND (w.until IS NULL OR p.end_time <= w.until)
                 ORDER BY p.start_time, p.id LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED)
            RETURNING id, offer, start_time
            """,
            {
                "segments": list(passed),
                "limit": limit,
                "until": [None if ms is None else from_ms(ms) for ms in passed.values()],
            },
        )
        return _offers(rows)

    def offer_clips(self, limit: int) -> list[Offer]:
        rows = self._database.fetch(
            """
            UPDATE video_segments SET offer = offer + 1, offered_at = now(), not_before = NULL
             WHERE id IN (
                SELECT id FROM video_segments s
                 WHERE status = 'finalizing' AND lease_token IS NULL AND offered_at IS NULL
                   AND (not_before IS NULL OR not_before <= now()) AND (grows_until IS NULL OR grows_until <= now())
                   AND NOT EXISTS (SELECT FROM segment_parts p
                                    WHERE p.segment_id = s.id AND p.state NOT IN ('done', 'gap'))
                 ORDER BY start_time, id LIMIT %s FOR UPDATE SKIP LOCKED)
            RETURNING id, offer, start_time
            """,
            limit,
        )
        return _offers(rows)

    def withdraw_parts(self, offers: Sequence[Offer]) -> None:
        self._database.execute(
            """
            UPDATE segment_parts p SET state = 'due'
              FROM unnest(%s::uuid[], %s::integer[]) AS o (id, offer)
             WHERE p.id = o.id AND p.offer = o.offer AND p.state = 'queued'
            """,
            [offer.row_id for offer in offers],
            [offer.number for offer in offers],
        )

    def withdraw_clips(self, offers: Sequence[Offer]) -> None:
        self._database.execute(
            """
            UPDATE video_segments s SET offered_at = NULL
              FROM unnest(%s::uuid[], %s::integer[]) AS o (id, offer)
             WHERE s.id = o.id AND s.offer = o.offer AND s.lease_token IS NULL
            """,
            [offer.row_id for offer in offers],
            [offer.number for offer in offers],
        )

    def take_back_lost_parts(self, *, queue_empty: bool) -> int:
        return self._database.execute(
            """
            UPDATE segment_parts SET state = 'due' WHERE id IN (
                SELECT id FROM segment_parts
                 WHERE state = 'queued' AND offered_at < now() - make_interval(secs => %(grace)s)
                   AND (%(empty)s OR offered_at < (SELECT max(offered_at) FROM segment_parts WHERE state = 'running')
                                                  - make_interval(secs => %(grace)s))
                 ORDER BY offered_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
            """,
            {"grace": LOST_AFTER_SECONDS, "empty": queue_empty, "limit": LOST_BATCH},
        )

    def take_back_lost_clips(self, *, queue_empty: bool) -> int:
        return self._database.execute(
            """
            UPDATE video_segments SET offered_at = NULL WHERE id IN (
                SELECT id FROM video_segments
                 WHERE status = 'finalizing' AND lease_token IS NULL
                   AND offered_at < now() - make_interval(secs => %(grace)s)
                   AND (%(empty)s OR offered_at < (SELECT max(offered_at) FROM video_segments
                                                    WHERE status = 'finalizing' AND lease_token IS NOT NULL)
                                                  - make_interval(secs => %(grace)s))
                 ORDER BY offered_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
            """,
            {"grace": LOST_AFTER_SECONDS, "empty": queue_empty, "limit": LOST_BATCH},
        )


def _offers(rows: list[DictRow]) -> list[Offer]:
    """Returns the offers, oldest first: the oldest loses its frames first."""
    rows.sort(key=lambda row: (row["start_time"], row["id"]))
    return [Offer(row["id"], row["offer"]) for row in rows]
