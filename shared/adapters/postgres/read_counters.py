"""Counts of reads and passes: triggers write what each statement changes (0002_passes.sql), folding
adds that up. `counted` is what was counted and not stored, so no row says whether it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from shared.adapters.postgres.database import Connection, Database

_WRONG: LiteralString = """
    WITH facts AS (SELECT camera_id, day, kind, count(*) AS number FROM read_facts GROUP BY 1, 2, 3),
         totals AS (SELECT camera_id, day, kind, sum(number)::bigint AS number FROM read_totals
                     WHERE kind <> 'counted' GROUP BY 1, 2, 3)
    SELECT camera_id, day, kind, coalesce(f.number, 0) - coalesce(t.number, 0) AS number
      FROM facts f FULL JOIN totals t USING (camera_id, day, kind)
     WHERE coalesce(f.number, 0) <> coalesce(t.number, 0)
"""


def counted(connection: Connection, days: int, cameras: Sequence[str] | None) -> dict[str, int]:
    """Returns the passes (`pass`) and the detections by outcome of the last days."""
    rows = connection.execute(
        """
        SELECT kind, sum(number)::bigint AS n FROM read_totals
         WHERE day > (now() AT TIME ZONE 'UTC')::date - %(days)s
           AND (%(cameras)s::text[] IS NULL OR camera_id = ANY(%(cameras)s))
         GROUP BY kind HAVING sum(number) > 0 ORDER BY kind
        """,
        {"days": days, "cameras": None if cameras is None else list(cameras)},
    ).fetchall()
    return {row["kind"]: int(row["n"]) for row in rows}


def fold(database: Database, limit: int) -> int:
    """Add waiting changes to the counters. Returns how many. Several processes may fold at once."""
    row = database.fetch_one(
        """
        WITH gone AS (
            DELETE FROM read_changes
             WHERE id IN (SELECT id FROM read_changes ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING *
        ), folded AS (
            INSERT INTO read_counters AS c (camera_id, day, kind, number)
            SELECT camera_id, day, kind, sum(number) FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (camera_id, day, kind) DO UPDATE SET number = c.number + excluded.number
        )
        SELECT count(*) AS n FROM gone
        """,
        limit,
    )
    return 0 if row is None else int(row["n"])


def differences(database: Database) -> list[str]:
    """Returns each counter that is not what a count of the rows gives."""
    rows = database.fetch(f"{_WRONG} ORDER BY 1, 2, 3")
    return [
        f"{row['camera_id']} {row['day']} {row['kind']}: {row['number']:+} reads" for row in rows
    ]


def recount(connection: Connection) -> None:
    """Add what is missing as a change. Two recounts wait for each other, nobody else does."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('recount', 0))")
    connection.execute(f"INSERT INTO read_changes (camera_id, day, kind, number) {_WRONG}")
