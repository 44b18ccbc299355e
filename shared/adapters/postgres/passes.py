"""Rows of passes."""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.postgres.database import Database
from shared.domain.ports import OpenPass
from shared.domain.timing import from_ms, to_ms


class PostgresPassRows:
    """Implements the port `PassRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_passes(self) -> list[OpenPass]:
        rows = self._database.fetch(
            "SELECT id, camera_id, last_at, late_ms FROM passes WHERE ended_at IS NULL"
        )
        return [
            OpenPass(
                pass_id=row["id"],
                camera_id=row["camera_id"],
                last_ms=to_ms(row["last_at"]),
                late_ms=row["late_ms"],
            )
            for row in rows
        ]

    def close_passes(self, passes: Sequence[OpenPass]) -> int:
        row = self._database.fetch_one(
            """
            WITH ended AS (
                UPDATE passes p SET ended_at = p.last_at
                  FROM unnest(%s::uuid[], %s::timestamptz[]) AS over (id, last_at)
                 WHERE p.id = over.id AND p.last_at = over.last_at AND p.ended_at IS NULL
                RETURNING p.*
            ), told AS (
                INSERT INTO outbox (name, body)
                SELECT 'pass.closed', jsonb_build_object('pass_id', id, 'camera_id', camera_id,
                       'plate', coalesce(corrected_plate, plate), 'confidence', confidence, 'reads', reads,
                       'first_at', first_at, 'last_at', last_at, 'recorded', recorded,
                       'detection_id', best_detection_id, 'attributes', attributes)
                  FROM ended ORDER BY last_at, id
            )
            SELECT count(*) AS n FROM ended
            """,
            [each.pass_id for each in passes],
            [from_ms(each.last_ms) for each in passes],
        )
        return 0 if row is None else int(row["n"])
