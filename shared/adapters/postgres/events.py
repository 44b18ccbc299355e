"""Outgoing events: committed with the change that they report, relayed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection
from shared.domain.events import EventName

Webhooks = Mapping[str, Collection[str]]
Publish = Callable[[Sequence[tuple[str, Mapping[str, Any]]]], Sequence[str | None]]
REFUSED_SECONDS = 300


def emit(
    connection: Connection, name: EventName, segment_id: UUID, camera_id: str, **facts: object
) -> None:
    """Write an event of a segment in the caller's transaction; facts: what else its body has."""
    connection.execute(
        "INSERT INTO outbox (name, body) VALUES (%s, %s)",
        [str(name), event_body(segment_id, camera_id, **facts)],
    )


def emit_all(connection: Connection, events: Sequence[tuple[EventName, Mapping[str, Any]]]) -> None:
    """Write events in the caller's transaction, in order."""
    if events:
        connection.execute(
            """
            INSERT INTO outbox (name, body) SELECT name, body
              FROM jsonb_to_recordset(%s) AS new (number integer, name text, body jsonb) ORDER BY number
            """,
            [
                Jsonb(
                    [
                        {"number": number, "name": str(name), "body": dict(body)}
                        for number, (name, body) in enumerate(events)
                    ]
                )
            ],
        )


def event_body(segment_id: UUID, camera_id: str, **facts: object) -> Jsonb:
    """Returns the body of an event of a segment, as its row has it."""
    return Jsonb({"segment_id": str(segment_id), "camera_id": camera_id, **facts})


def relay(connection: Connection, publish: Publish, limit: int, webhooks: Webhooks) -> int:
    """Publish waiting events in order and mark them.

    A crash in between publishes them again under the same ids. publish: takes names and bodies, and
    returns for each why it was refused. A refused event waits and holds up no other. webhooks: for
    each webhook, the names of the events that it gets.
    """
    rows = connection.execute(
        """
        SELECT id, event_id, name, body, created_at FROM outbox
         WHERE relayed_at IS NULL AND (not_before IS NULL OR not_before <= now())
         ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        [limit],
    ).fetchall()
    if not rows:
        return 0
    bodies = [
        {"event_id": str(row["event_id"]), "at": row["created_at"].isoformat(), **row["body"]}
        for row in rows
    ]
    refusals = publish([(row["name"], body) for row, body in zip(rows, bodies, strict=True)])
    deliveries = [
        (webhook, row["event_id"], row["name"], Jsonb(body))
        for row, body, refusal in zip(rows, bodies, refusals, strict=True)
        for webhook, names in webhooks.items()
        if refusal is None and row["name"] in names
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO webhook_deliveries (webhook, event_id, name, body) VALUES (%s, %s, %s, %s)
            ON CONFLICT (event_id, webhook) DO NOTHING
            """,
            deliveries,
        )
    connection.execute(
        """
        UPDATE outbox SET relayed_at = CASE WHEN NOT refused THEN now() END,
               not_before = CASE WHEN refused THEN now() + make_interval(secs => %s) END
          FROM unnest(%s::bigint[], %s::boolean[]) AS told (event, refused) WHERE id = event
        """,
        [
            REFUSED_SECONDS,
            [row["id"] for row in rows],
            [refusal is not None for refusal in refusals],
        ],
    )
    return len(rows)
