"""What was told of cameras, and the events that tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.events import emit_all
from shared.domain.camera import CameraNews, CameraState
from shared.domain.events import EventName
from shared.domain.timing import from_ms, to_ms

MOST_CAUSE = 300


class PostgresCameraNewsRows:
    """Implements the port `CameraNewsRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self) -> Mapping[str, CameraNews]:
        rows = self._database.fetch("SELECT camera_id, down, state, cause, since FROM camera_news")
        return {row["camera_id"]: _news(row) for row in rows}

    def tell(self, news: Sequence[CameraNews]) -> int:
        """A row that says the same already is left alone, and its camera gets no event."""
        ordered = sorted(news, key=lambda each: each.camera_id)  # two dispatchers lock in one order
        with self._database.transaction() as connection:
            rows = connection.execute(
                """
                INSERT INTO camera_news AS old (camera_id, down, state, cause, since)
                SELECT * FROM unnest(%s::text[], %s::boolean[], %s::text[], %s::text[], %s::timestamptz[])
                    ON CONFLICT (camera_id) DO UPDATE
                   SET down = excluded.down, state = excluded.state, cause = excluded.cause,
                       since = excluded.since, told_at = now()
                 WHERE old.down <> excluded.down
                RETURNING camera_id, down, state, cause, since
                """,
                [
                    [each.camera_id for each in ordered],
                    [each.down for each in ordered],
                    [str(each.state) for each in ordered],
                    [each.cause[:MOST_CAUSE] for each in ordered],
                    [from_ms(each.since_ms) for each in ordered],
                ],
            ).fetchall()
            emit_all(connection, [_event(_news(row)) for row in rows])
        return len(rows)


def _news(row: DictRow) -> CameraNews:
    return CameraNews(
        camera_id=row["camera_id"],
        down=row["down"],
        state=CameraState(row["state"]),
        cause=row["cause"],
        since_ms=to_ms(row["since"]),
    )


def _event(news: CameraNews) -> tuple[EventName, dict[str, Any]]:
    name = EventName.CAMERA_DOWN if news.down else EventName.CAMERA_UP
    body: dict[str, Any] = {
        "camera_id": news.camera_id,
        "state": str(news.state),
        "since": from_ms(news.since_ms).isoformat(),
    }
    return name, {**body, "cause": news.cause} if news.down else body
