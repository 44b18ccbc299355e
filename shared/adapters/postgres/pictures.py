"""What the rows of passes say of their pictures."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Database
from shared.adapters.postgres.pass_rows import box_of
from shared.domain.pictures import PictureKind, StoredPictures, Taken, WantedPicture
from shared.domain.ports.pictures import DetectionKey
from shared.domain.timing import from_ms, to_ms

_WANTED: LiteralString = """
    SELECT p.id, p.camera_id, p.best_detection_id, p.best_at, p.picture_of, d.bbox, d.picture_kinds
      FROM passes p JOIN detections d ON d.detection_id = p.best_detection_id AND d.camera_id = p.camera_id
     WHERE p.picture_of IS DISTINCT FROM p.best_detection_id
       AND (d.picture_kinds IS NULL OR 'scene' <> ALL (d.picture_kinds)
            OR ('plate' <> ALL (d.picture_kinds) AND d.bbox IS NOT NULL))
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
            """
            SELECT picture_path, picture_plate AS plate, picture_scene AS scene FROM passes
             WHERE id = %s AND picture_path IS NOT NULL
            """,
            pass_id,
        )
        if row is None:
            return None
        kinds = frozenset(kind for kind in PictureKind if row[kind])
        return StoredPictures(path=row["picture_path"], kinds=kinds)

    def own_of(self, pass_id: UUID) -> StoredPictures | None:
        row = self._database.fetch_one(
            """
            SELECT d.picture_path, d.picture_kinds FROM passes p
              JOIN detections d ON d.detection_id = p.best_detection_id AND d.camera_id = p.camera_id
             WHERE p.id = %s AND d.picture_path IS NOT NULL
            """,
            pass_id,
        )
        if row is None:
            return None
        return StoredPictures(path=row["picture_path"], kinds=_kinds(row))

    def note(self, taken: Taken, path: str) -> bool:
        """Of several who take pictures of different reads at once, whose are stored is not known:
        then they are taken once more.
        """
        noted = self._database.execute(
            """
            UPDATE passes SET picture_path = %(path)s, picture_plate = %(plate)s, picture_scene = %(scene)s,
                   picture_of = CASE WHEN picture_of IS NOT DISTINCT FROM %(before)s OR picture_of = %(read)s
                                     THEN %(read)s END
             WHERE id = %(pass)s
            """,
            {
                "path": path,
                "plate": taken.plate is not None,
                "scene": taken.scene is not None,
                "before": taken.wanted.before,
                "read": taken.wanted.detection_id,
                "pass": taken.wanted.pass_id,
            },
        )
        return noted == 1

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
            """
            UPDATE passes SET picture_path = NULL, picture_plate = false, picture_scene = false WHERE id = ANY(%s)
            """,
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

    def leave(self, path: str) -> None:
        self._database.execute(
            "INSERT INTO left_pictures (picture_path) VALUES (%s) ON CONFLICT DO NOTHING", path
        )

    def forget_left(self, paths: list[str]) -> None:
        self._database.execute("DELETE FROM left_pictures WHERE picture_path = ANY(%s)", paths)

    def old_own(self, before: datetime, limit: int) -> list[tuple[DetectionKey, str]]:
        rows = self._database.fetch(
            """
            SELECT detection_id, camera_id, picture_path FROM detections
             WHERE picture_path IS NOT NULL AND captured_at < %s
             ORDER BY captured_at, camera_id, detection_id LIMIT %s
            """,
            before,
            limit,
        )
        return [((row["camera_id"], row["detection_id"]), row["picture_path"]) for row in rows]

    def forget_own(self, detections: list[DetectionKey]) -> None:
        """The kinds stay: what the detector has sent is not taken from the clip later."""
        self._database.execute(
            """
            UPDATE detections d SET picture_path = NULL
              FROM unnest(%s::text[], %s::text[]) AS k (camera_id, detection_id)
             WHERE d.camera_id = k.camera_id AND d.detection_id = k.detection_id
            """,
            [camera_id for camera_id, _ in detections],
            [detection_id for _, detection_id in detections],
        )


def _wanted(row: DictRow) -> WantedPicture:
    return WantedPicture(
        pass_id=row["id"],
        camera_id=row["camera_id"],
        detection_id=row["best_detection_id"],
        captured_ms=to_ms(row["best_at"]),
        bbox=box_of(row["bbox"]),
        kinds=frozenset(PictureKind) - _kinds(row),
        before=row["picture_of"],
    )


def _kinds(row: DictRow) -> frozenset[PictureKind]:
    return frozenset(PictureKind(each) for each in row["picture_kinds"] or ())
