"""Outgoing events, committed with what they tell of and relayed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection

Hooks = Mapping[str, Collection[str]]


def emit(connection: Connection, name: str, body: Mapping[str, Any]) -> None:
    """Write an event in the caller's transaction."""
    connection.execute("INSERT INTO outbox (name, body) VALUES (%s, %s)", [name, Jsonb(dict(body))])


def relay(connection: Connection, publish: Callable[[str, Mapping[str, Any]], None], limit: int, hooks: Hooks) -> int:
    """Publish waiting events in order and mark them; a crash in between publishes them again under the same id.

    hooks: webhooks, and the names of the events that each is to have.
    """
    rows = connection.execute(
        """
        SELECT id, event_id, name, body, created_at FROM outbox WHERE relayed_at IS NULL
         ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        [limit],
    ).fetchall()
    for row in rows:
        body = {"event_id": str(row["event_id"]), "at": row["created_at"].isoformat(), **row["body"]}
        publish(row["name"], body)
        for hook in [hook for hook, names in hooks.items() if row["name"] in names]:
            connection.execute(
                """
                INSERT INTO webhook_deliveries (hook, event_id, name, body) VALUES (%s, %s, %s, %s)
                ON CONFLICT (event_id, hook) DO NOTHING
                """,
                [hook, row["event_id"], row["name"], Jsonb(body)],
            )
    if rows:
        connection.execute("UPDATE outbox SET relayed_at = now() WHERE id = ANY(%s)", [[row["id"] for row in rows]])
    return len(rows)
