"""Rows that are kept of one plate, and their erasure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared.adapters.postgres import plate_mentions
from shared.adapters.postgres.access_log import log_access
from shared.adapters.postgres.database import Connection, Database, as_uuids, lock_camera
from shared.adapters.postgres.listing import key_asked
from shared.adapters.postgres.retention import mark
from shared.domain.access import AccessEntry
from shared.domain.errors import Conflict, Retryable
from shared.domain.lifecycle import SegmentStatus
from shared.domain.pictures import PictureKind
from shared.domain.plate_erasure import check_refused
from shared.domain.plate_mentions import ERASED, PlateMentions
from shared.domain.ports import Erasure, RefusedClip
from shared.wire.keys import picture_key

UNFINISHED = {SegmentStatus.RECORDING, SegmentStatus.FINALIZING}
_KEY_OF_READ: LiteralString = "translate(upper(d.plate), ' -._/·•', '')"
# Every pass that was read as the plate. own: its best or corrected plate it is.
_PASSES: LiteralString = """
    SELECT p.id, p.camera_id, p.picture_path,
           coalesce(%(key)s IN (translate(upper(p.plate), ' -._/·•', ''),
                                translate(upper(p.corrected_plate), ' -._/·•', '')), false) AS own
      FROM pass_plates v JOIN passes p ON p.id = v.pass_id WHERE v.plate_key = %(key)s ORDER BY p.first_at, p.id
"""
# Of no pass: from before there were passes, rejected ones, and those that nobody has looked at yet.
_READS: LiteralString = f"""
    SELECT detection_id, camera_id, picture_path FROM detections WHERE pass_id = ANY(%(passes)s)
    UNION
    SELECT detection_id, camera_id, picture_path FROM detections d
     WHERE pass_id IS NULL AND outcome NOT IN ('recorded', 'quiet') AND {_KEY_OF_READ} = %(key)s
    UNION
    SELECT detection_id, camera_id, picture_path FROM segment_plates s JOIN segment_detections l USING (segment_id)
      JOIN detections d USING (detection_id, camera_id)
     WHERE s.plate_key = %(key)s AND d.pass_id IS NULL AND {_KEY_OF_READ} = %(key)s
"""
_GOING: LiteralString = """
    going AS (SELECT * FROM unnest(%(ids)s::text[], %(cameras)s::text[]) AS g (detection_id, camera_id))
"""
_CLIPS: LiteralString = f"""
    WITH {_GOING},
    concerned AS (SELECT DISTINCT segment_id FROM going JOIN segment_detections USING (detection_id, camera_id))
    SELECT s.id, s.status, s.protected, s.archived,
           EXISTS (SELECT FROM segment_detections l JOIN detections d USING (detection_id, camera_id)
                     LEFT JOIN passes p ON p.id = d.pass_id
                    WHERE l.segment_id = s.id AND coalesce(p.corrected_plate, p.plate, d.plate) <> ''
                      AND NOT EXISTS (SELECT FROM going g WHERE g.detection_id = d.detection_id
                                                            AND g.camera_id = d.camera_id)) AS shows_others
      FROM concerned c JOIN video_segments s ON s.id = c.segment_id ORDER BY s.start_time, s.id
"""
_NAME_PLATES: LiteralString = """
    INSERT INTO segment_plates (segment_id, plate, confidence, shown)
    SELECT l.segment_id, each.plate, max(each.confidence), bool_or(each.shown)
      FROM segment_detections l JOIN detections d USING (detection_id, camera_id)
      LEFT JOIN passes ON passes.id = d.pass_id
      CROSS JOIN LATERAL (VALUES (coalesce(passes.plate, d.plate), coalesce(passes.confidence, d.confidence),
                                  passes.corrected_plate IS NULL),
                                 (passes.corrected_plate, 1.0, true)) AS each (plate, confidence, shown)
     WHERE l.segment_id = ANY (%s) AND each.plate <> '' GROUP BY l.segment_id, each.plate
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What there is of a plate. misread: passes of others that were read as it, too."""

    passes: list[DictRow]
    misread: list[DictRow]
    reads: list[DictRow]
    clips: list[DictRow]
    misreads: int
    lists: list[str]

    @property
    def pass_ids(self) -> list[UUID]:
        return as_uuids(self.passes)

    @property
    def cameras(self) -> set[str]:
        return {row["camera_id"] for row in (*self.passes, *self.misread, *self.reads)}

    @property
    def pictures(self) -> list[str]:
        return [picture_key(path, kind) for path in self.picture_paths for kind in PictureKind]

    @property
    def picture_paths(self) -> list[str]:
        paths = [row["picture_path"] for row in (*self.passes, *self.reads)]
        return [each for each in paths if each is not None]

    def erasure(self) -> Erasure:
        present = [row for row in self.clips if not row["archived"]]
        return Erasure(
            passes=len(self.passes),
            reads=len(self.reads),
            misreads=self.misreads,
            pictures=len(self.picture_paths),
            clips=as_uuids([row for row in present if not row["shows_others"]]),
            kept=as_uuids([row for row in present if row["shows_others"]]),
            refused=[
                RefusedClip(segment_id=row["id"], reason=reason)
                for row in present
                if (reason := _reason(row)) is not None
            ],
            lists=self.lists,
        )


def _reason(clip: DictRow) -> str | None:
    """Returns why a clip refuses, None where it does not."""
    if clip["protected"]:
        return "protected"
    unfinished = clip["status"] in UNFINISHED and not clip["shows_others"]
    return str(clip["status"]) if unfinished else None


class PostgresPlateRecordRows:
    """Implements the port `PlateRecordRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def passes_of(self, plate: str) -> list[UUID]:
        rows = self._database.fetch(_PASSES, {"key": key_asked(plate)})
        return as_uuids([row for row in rows if row["own"]])

    def lists_with(self, plate: str) -> list[str]:
        with self._database.transaction() as connection:
            return _lists_with(connection, key_asked(plate))

    def log_lines(self, plate: str, after: int, limit: int) -> tuple[list[AccessEntry], int | None]:
        with self._database.transaction() as connection:
            rows, following = plate_mentions.named_lines(
                connection, PlateMentions(plate), after, limit
            )
        return [AccessEntry(**row) for row in rows], following

    def would_erase(self, plate: str) -> Erasure:
        with self._database.transaction() as connection:
            return _find(connection, key_asked(plate)).erasure()

    def pictures_of(self, plate: str) -> list[str]:
        with self._database.transaction() as connection:
            return _find(connection, key_asked(plate)).pictures

    def erase(self, plate: str, who: str) -> tuple[Erasure, list[str]]:
        """Takes the locks of all cameras that read the plate, in order of name and before any row,
        so that two of these wait for each other and for nobody else.
        """
        mentions = PlateMentions(key_asked(plate))
        with self._database.transaction() as connection:
            locked = sorted(_find(connection, mentions.key).cameras)
            for camera_id in locked:
                lock_camera(connection, camera_id)
            found = _find(connection, mentions.key)
            if not found.cameras <= set(locked):
                raise Retryable("the plate was just read at another camera: erase it again")
            erasure = found.erasure()
            check_refused(erasure)
            if len(mark(connection, dict.fromkeys(erasure.clips, "erasure"), who)) < len(
                erasure.clips
            ):
                raise Conflict("a clip was protected meanwhile; nothing was erased")
            _delete(connection, found)
            _correct_others(connection, found, mentions)
            _name_segments(connection, as_uuids(found.clips))
            plate_mentions.erase_events(connection, mentions, found.pass_ids)
            plate_mentions.erase_notes(connection, mentions)
            _log(connection, erasure, who)
        return erasure, found.pictures

    def strike_out(self, plate: str, after: int, limit: int) -> tuple[int, int | None]:
        with self._database.transaction() as connection:
            return plate_mentions.strike_out(connection, PlateMentions(plate), after, limit)


def _find(connection: Connection, key: str) -> _Found:
    passes = connection.execute(_PASSES, {"key": key}).fetchall()
    own = [row for row in passes if row["own"]]
    misread = [row for row in passes if not row["own"]]
    reads = connection.execute(_READS, {"key": key, "passes": as_uuids(own)}).fetchall()
    misreads = connection.execute(
        f"SELECT count(*) AS n FROM detections d WHERE pass_id = ANY(%s) AND {_KEY_OF_READ} = %s",
        [as_uuids(misread), key],
    ).fetchone()
    return _Found(
        passes=own,
        misread=misread,
        reads=reads,
        clips=connection.execute(_CLIPS, _keys(reads)).fetchall(),
        misreads=0 if misreads is None else int(misreads["n"]),
        lists=_lists_with(connection, key),
    )


def _keys(reads: list[DictRow]) -> dict[str, list[str]]:
    return {
        "ids": [row["detection_id"] for row in reads],
        "cameras": [row["camera_id"] for row in reads],
    }


def _lists_with(connection: Connection, key: str) -> list[str]:
    rows = connection.execute(
        """
        SELECT l.name FROM plate_list_entries e JOIN plate_lists l ON l.id = e.list_id
         WHERE e.plate_key = %s ORDER BY l.name
        """,
        [key],
    ).fetchall()
    return [row["name"] for row in rows]


def _delete(connection: Connection, found: _Found) -> None:
    """Delete reads, with what links them to clips, and then their passes."""
    connection.execute(
        f"""
        WITH {_GOING} DELETE FROM detections d USING going g
         WHERE d.detection_id = g.detection_id AND d.camera_id = g.camera_id
        """,
        _keys(found.reads),
    )
    connection.execute("DELETE FROM passes WHERE id = ANY(%s)", [found.pass_ids])


def _correct_others(connection: Connection, found: _Found, mentions: PlateMentions) -> None:
    """Take the plate from passes of other vehicles: where it was misread, where somebody corrected
    to it and thought better of it, and where a list's entry of it was a near miss.
    """
    given = {"key": mentions.key, "passes": as_uuids(found.misread), "erased": ERASED}
    for statement in (
        f"UPDATE detections d SET plate = NULL WHERE pass_id = ANY(%(passes)s) AND {_KEY_OF_READ} = %(key)s",
        "DELETE FROM pass_plates WHERE plate_key = %(key)s",
        "DELETE FROM pass_hits WHERE pass_id = ANY(%(passes)s) AND plate_key = %(key)s",
        """
        UPDATE passes p SET hit = false WHERE id = ANY(%(passes)s) AND hit
           AND NOT EXISTS (SELECT FROM pass_hits h WHERE h.pass_id = p.id AND h.kind = 'watch')
        """,
        """
        UPDATE pass_hits SET entry = %(erased)s WHERE translate(upper(entry), ' -._/·•', '') = %(key)s
        """,
        """
        UPDATE pass_reviews SET plate = NULL WHERE translate(upper(plate), ' -._/·•', '') = %(key)s
        """,
    ):
        connection.execute(statement, given)
    plate_mentions.erase_attributes(connection, mentions, as_uuids(found.misread))


def _name_segments(connection: Connection, segment_ids: list[UUID]) -> None:
    """Give segments the plates and the confidence of the detections that they still have."""
    connection.execute("DELETE FROM segment_plates WHERE segment_id = ANY(%s)", [segment_ids])
    connection.execute(_NAME_PLATES, [segment_ids])
    connection.execute(
        """
        UPDATE video_segments s SET best_confidence = (
               SELECT max(d.confidence) FROM segment_detections l JOIN detections d USING (detection_id, camera_id)
                WHERE l.segment_id = s.id) WHERE id = ANY(%s)
        """,
        [segment_ids],
    )


def _log(connection: Connection, erasure: Erasure, who: str) -> None:
    """A line that does not name the plate: whoever tries all plates finds the one of any hash."""
    details = {
        "passes": erasure.passes,
        "reads": erasure.reads,
        "misreads": erasure.misreads,
        "clips": len(erasure.clips),
        "kept_clips": len(erasure.kept),
    }
    log_access(connection=connection, who=who, action="erase", segment_id=None, details=details)
