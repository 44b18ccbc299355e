"""What the rows of passes say of their pictures."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.pass_rows import box_of
from shared.domain.pictures import PictureKind, StoredPictures, Taken, WantedPicture
from shared.domain.timing import from_ms, to_ms

_WANTED: LiteralString = """
    SELECT p.id, p.camera_id, p.best_detection_id, p.best_at, d.bbox
      FROM passes p JOIN detections d ON d.detection_id = p.best_detection_id AND d.camera_id = p.camera_id
     WHERE p.picture_of IS DISTINCT FROM p.best_detection_id
"""


class PostgresPictureRows:
    """Implements the port `PictureRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wanted(self, camera_id: str, start_ms: int, end_ms: int) -> list[WantedPicture]:
        """Looks at passes that are open, and at those that began or ended near the stretch."""
        rows = self._database.fetch(
            f"""
            {_WANTED} AND p.camera_id = %(camera)s AND p.best_at >= %(from)s AND p.best_at < %(to)s
               AND (p.ended_at IS NULL OR p.ended_at >= %(from)s) AND p.first_at < %(to)s
            """,
            {"camera": camera_id, "from": from_ms(start_ms), "to": from_ms(end_ms)},
        )
        return [_wanted(row) for row in rows]

    def wanted_of(self, pass_id: UUID) -> WantedPicture | None:
        row = self._database.fetch_one(f"{_WANTED} AND p.id = %s", pass_id)
        return None if row is None else _wanted(row)

    def stored_of(self, pass_id: UUID) -> StoredPictures | None:
        row = self._database.fetch_one(
            "SELECT picture_path, picture_plate FROM passes WHERE id = %s AND picture_path IS NOT NULL",
            pass_id,
        )
        if row is None:
            return None
        kinds = {PictureKind.SCENE} | ({PictureKind.PLATE} if row["picture_plate"] else set())
        return StoredPictures(path=row["picture_path"], kinds=frozenset(kinds))

    def note(self, taken: Taken, path: str) -> bool:
        return self._database.execute(
            """
            UPDATE passes SET picture_of = %s, picture_path = %s, picture_plate = %s WHERE id = %s
            """,
            taken.wanted.detection_id,
            path,
            taken.plate is not None,
            taken.wanted.pass_id,
        ) == 1  # fmt: skip

    def old(self, before: datetime, limit: int) -> list[tuple[UUID, str]]:
        rows = self._database.fetch(
            """
            SELECT id, picture_path FROM passes WHERE picture_path IS NOT NULL AND first_at < %s
             ORDER BY first_at, id LIMIT %s
            """,
            before,
            limit,
        )
        return [(row["id"], row["picture_path"]) for row in rows]

    def forget(self, pass_ids: list[UUID]) -> None:
        self._database.execute(
            "UPDATE passes SET picture_path = NULL, picture_plate = false WHERE id = ANY(%s)",
            pass_ids,
        )

    def left(self, limit: int) -> list[str]:
        rows = self._database.fetch(
            """
            SELECT picture_path FROM left_pictures l
             WHERE NOT EXISTS (SELECT FROM passes p WHERE p.picture_path = l.picture_path) LIMIT %s
            """,
            limit,
        )
        return [row["picture_path"] for row in rows]

    def forget_left(self, paths: list[str]) -> None:
        self._database.execute("DELETE FROM left_pictures WHERE picture_path = ANY(%s)", paths)


def _wanted(row: DictRow) -> WantedPicture:
    return WantedPicture(
        pass_id=row["id"],
        camera_id=row["camera_id"],
        detection_id=row["best_detection_id"],
        captured_ms=to_ms(row["best_at"]),
        bbox=box_of(row["bbox"]),
    )
