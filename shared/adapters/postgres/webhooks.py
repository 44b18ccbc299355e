"""Deliveries of webhooks, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.adapters.postgres.database import Database
from shared.domain.ports import WebhookDelivery


class PostgresWebhookRows:
    """Implements the port `WebhookRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, webhooks: Sequence[str], limit: int, lease_s: float) -> list[WebhookDelivery]:
        """A sender that dies loses its deliveries when the lease ends."""
        rows = self._database.fetch(
            """
            UPDATE webhook_deliveries SET next_at = now() + make_interval(secs => %s), attempts = attempts + 1
             WHERE id IN (SELECT id FROM webhook_deliveries WHERE next_at <= now() AND webhook = ANY(%s)
                           ORDER BY next_at LIMIT %s FOR UPDATE SKIP LOCKED)
            RETURNING id, webhook, name, body, attempts - 1 AS before
            """,
            lease_s,
            list(webhooks),
            limit,
        )
        return [
            WebhookDelivery(
                delivery_id=row["id"],
                webhook=row["webhook"],
                name=row["name"],
                body=row["body"],
                attempts=row["before"],
            )
            for row in rows
        ]

    def put_back(self, delivery_ids: Sequence[UUID], again_s: float) -> None:
        self._database.execute(
            """
            UPDATE webhook_deliveries SET attempts = attempts - 1, next_at = now() + make_interval(secs => %s)
             WHERE id = ANY(%s) AND delivered_at IS NULL
            """,
            again_s,
            list(delivery_ids),
        )

    def delivered(self, delivery_id: UUID) -> None:
        self._database.execute(
            "UPDATE webhook_deliveries SET delivered_at = now(), next_at = NULL, error = NULL WHERE id = %s",
            delivery_id,
        )

    def failed(self, delivery_id: UUID, reason: str, again_s: float | None) -> None:
        self._database.execute(
            """
            UPDATE webhook_deliveries SET error = %(reason)s, next_at = now() + make_interval(secs => %(again)s),
                   given_up_at = CASE WHEN %(again)s::float8 IS NULL THEN now() END
             WHERE id = %(id)s AND delivered_at IS NULL
            """,
            {"reason": reason[:300], "again": again_s, "id": delivery_id},
        )
