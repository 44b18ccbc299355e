"""Outgoing events, committed with what they tell of and relayed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection


def emit(connection: Connection, name: str, body: Mapping[str, Any]) -> None:
    """Write an event in the caller's transaction."""
    connection.execute("INSERT INTO outbox (name, body) VALUES (%s, %s)", [name, Jsonb(dict(body))])


def relay(connection: Connection, publish: Callable[[str, Mapping[str, Any]], None], limit: int) -> int:
    """Publish waiting events in order and mark them; a crash in between publishes them again under the same id."""
    rows = connection.execute(
        """
        SELECT id, event_id, name, body, created_at FROM outbox WHERE relayed_at IS NULL
         ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        [limit],
    ).fetchall()
    for row in rows:
        publish(row["name"], {"event_id": str(row["event_id"]), "at": row["created_at"].isoformat(), **row["body"]})
    if rows:
        connection.execute("UPDATE outbox SET relayed_at = now() WHERE id = ANY(%s)", [[row["id"] for row in rows]])
    return len(rows)
