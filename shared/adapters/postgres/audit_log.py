"""The log of who did what, written in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection


def log(connection: Connection, who: str, action: str, segment_id: UUID | None, details: Mapping[str, Any]) -> None:
    """Write a line in the caller's transaction."""
    connection.execute(
        "INSERT INTO audit_log (who, action, segment_id, details) VALUES (%s, %s, %s, %s)",
        [who, action, segment_id, Jsonb(dict(details))],
    )
