"""Cameras that were made through the API: a row each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from shared.adapters.postgres.access_log import log_access
from shared.adapters.postgres.database import Connection, Database
from shared.adapters.postgres.retention import mark
from shared.domain.json_object import JsonObject
from shared.domain.made_cameras import CameraClips, MadeCamera

REMOVED = "camera_removed"


class PostgresMadeCameraRows:
    """Implements the port `MadeCameraRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, MadeCamera]:
        rows = self._database.fetch("SELECT * FROM made_cameras ORDER BY camera_id")
        return {row["camera_id"]: MadeCamera(**row) for row in rows}

    def put(self, camera_id: str, settings: JsonObject, who: str) -> bool:
        with self._database.transaction() as connection:
            before = _settings(connection, camera_id)
            connection.execute(
                """
                INSERT INTO made_cameras (camera_id, settings, changed_by) VALUES (%s, %s, %s)
                ON CONFLICT (camera_id) DO UPDATE SET settings = EXCLUDED.settings,
                       changed_by = EXCLUDED.changed_by, changed_at = now()
                """,
                [camera_id, Jsonb(dict(settings)), who],
            )
            old = before or {}
            details = {
                "camera": camera_id,
                "settings": sorted(
                    name
                    for name in old.keys() | settings.keys()
                    if old.get(name) != settings.get(name)
                ),
            }
            action = "camera_make" if before is None else "camera_change"
            log_access(connection, who, action, None, details)
        return before is None

    def remove(self, camera_id: str, who: str, clips: str) -> bool:
        with self._database.transaction() as connection:
            gone = connection.execute(
                "DELETE FROM made_cameras WHERE camera_id = %s", [camera_id]
            ).rowcount
            details = {"camera": camera_id, "clips": clips, "was_made": gone > 0}
            log_access(connection, who, "camera_remove", None, details)
        return gone > 0

    def archive_clips(self, camera_id: str, who: str, limit: int) -> CameraClips:
        with self._database.transaction() as connection:
            rows = connection.execute(
                """
                SELECT id FROM video_segments WHERE camera_id = %s AND NOT protected AND status IN ('ready', 'failed')
                 ORDER BY coalesce(end_time, deadline), id LIMIT %s
                """,
                [camera_id, limit],
            ).fetchall()
            archived = mark(connection, {row["id"]: REMOVED for row in rows}, who) if rows else []
            left = connection.execute(
                """
                SELECT count(*) FILTER (WHERE protected) AS protected, count(*) FILTER (WHERE NOT protected) AS left
                  FROM video_segments
                 WHERE camera_id = %s AND status IN ('ready', 'failed', 'recording', 'finalizing')
                """,
                [camera_id],
            ).fetchone()
        counts: Mapping[str, int] = left or {"protected": 0, "left": 0}
        return CameraClips(
            archived=len(archived), protected=counts["protected"], left=counts["left"]
        )


def _settings(connection: Connection, camera_id: str) -> dict[str, Any] | None:
    row = connection.execute(
        "SELECT settings FROM made_cameras WHERE camera_id = %s FOR UPDATE", [camera_id]
    ).fetchone()
    return None if row is None else row["settings"]
