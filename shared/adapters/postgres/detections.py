"""Rows of detections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.acceptance import ask, record
from shared.adapters.postgres.database import Connection, Database, lock_camera
from shared.adapters.postgres.detection_rows import key_of
from shared.adapters.postgres.pass_hits import cooling, lock_plates
from shared.domain.errors import Conflict, Retryable
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Box, Detection
from shared.domain.pictures import StoredPictures
from shared.domain.plate_lists import Match
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Accepted, CameraBatch, PendingMark, PendingPage
from shared.domain.segment import StoredDetection
from shared.domain.timing import from_ms, to_ms
from shared.wire.bounded_json import printable

_ONE: LiteralString = "SELECT * FROM detections WHERE detection_id = %s AND camera_id = %s"


class PostgresDetectionRows:
    """Implements the port `DetectionRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Close the pool. Only for a repository that the doorway made; others share their pool."""
        self._database.close()

    def publish(self, detection: Detection, pictures: StoredPictures | None = None) -> None:
        """Insert as `pending`. The same detection again changes nothing."""
        with self._database.transaction() as connection:
            _insert(connection, detection, pictures)
            stored = _stored(connection.execute(_ONE, key_of(detection)).fetchone(), detection)
        if not _same(stored, detection):
            raise Conflict(
                f"detection_id: {detection.detection_id} was used before for another time",
                detection_id=detection.detection_id,
            )

    def accept(
        self,
        detections: Sequence[Detection],
        oldest_ms: int | None,
        policy: RecordingPolicy,
        newest_ms: int | None = None,
        *,
        matches: Mapping[str, tuple[Match, ...]] | None = None,
    ) -> list[Accepted]:
        if not detections:
            return []
        batch = CameraBatch(
            camera_id=detections[0].camera_id,
            detections=detections,
            policy=policy,
            oldest_ms=oldest_ms,
            newest_ms=newest_ms,
            matches=matches or {},
        )
        with _one_storing(), self._database.pipelined() as connection:
            lock_camera(connection, batch.camera_id)
            lock_plates(connection, cooling(batch))
            return record(connection, ask(connection, [batch]), [batch])[batch.camera_id]

    def accept_all(self, batches: Sequence[CameraBatch]) -> dict[str, list[Accepted]]:
        with _one_storing(), self._database.pipelined() as connection:
            return record(connection, ask(connection, batches), batches)

    def reject(self, camera_id: str, detection_id: str, reason: str) -> None:
        """Only a detection that is still pending changes."""
        self._database.execute(
            """
            UPDATE detections SET outcome = 'rejected', reason = %s
             WHERE detection_id = %s AND camera_id = %s AND outcome = 'pending'
            """,
            printable(reason),
            detection_id,
            camera_id,
        )

    def pending(
        self, older_than_s: float, limit: int, after: PendingMark | None = None
    ) -> PendingPage:
        rows = self._database.fetch(
            """
            SELECT * FROM detections WHERE outcome = 'pending' AND created_at < now() - make_interval(secs => %(age)s)
               AND (%(at)s::timestamptz IS NULL OR
                    (created_at, detection_id, camera_id) > (%(at)s, %(id)s, %(camera)s))
             ORDER BY created_at, detection_id, camera_id LIMIT %(limit)s
            """,
            {
                "age": older_than_s,
                "limit": limit,
                "at": after and after[0],
                "id": after and after[1],
                "camera": after and after[2],
            },
        )
        found: list[Detection] = []
        broken: list[tuple[str, str]] = []
        for row in rows:
            try:
                found.append(_detection(row))
            except (TypeError, ValueError, OverflowError):
                broken.append((row["camera_id"], row["detection_id"]))
        place = (
            (rows[-1]["created_at"], rows[-1]["detection_id"], rows[-1]["camera_id"])
            if rows
            else None
        )
        last = place if len(rows) == limit else None
        return PendingPage(tuple(found), last, tuple(broken))

    def get(self, camera_id: str, detection_id: str) -> StoredDetection | None:
        return next((row for row in self.with_id(detection_id) if row.camera_id == camera_id), None)

    def with_id(self, detection_id: str) -> list[StoredDetection]:
        """In order of camera."""
        rows = self._database.fetch(
            """
            SELECT detection_id, camera_id, captured_at, outcome, reason FROM detections
             WHERE detection_id = %s ORDER BY camera_id
            """,
            detection_id,
        )
        return [
            StoredDetection(**row | {"outcome": DetectionOutcome(row["outcome"])}) for row in rows
        ]

    def stored(self, camera_id: str, detection_id: str) -> Detection | None:
        """One detection, as it was published."""
        row = self._database.fetch_one(_ONE, detection_id, camera_id)
        return None if row is None else _detection(row)

    def stored_all(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Detection]:
        rows = self._database.fetch(
            """
            SELECT d.* FROM unnest(%s::text[], %s::text[]) AS k (camera_id, detection_id)
              JOIN detections d USING (camera_id, detection_id)
            """,
            [camera_id for camera_id, _ in keys],
            [detection_id for _, detection_id in keys],
        )
        return {(row["camera_id"], row["detection_id"]): _detection(row) for row in rows}

    def count_since(self, ms: int) -> int:
        """Returns how many detections were stored since a moment."""
        row = self._database.fetch_one(
            "SELECT count(*) AS n FROM detections WHERE created_at >= %s", from_ms(ms)
        )
        return 0 if row is None else int(row["n"])


@contextmanager
def _one_storing() -> Iterator[None]:
    """Raise Retryable where somebody else has stored a detection since it was looked for: the next
    try sees it.
    """
    try:
        yield
    except Conflict as error:
        cause = error.__cause__
        if not isinstance(cause, psycopg.errors.UniqueViolation):
            raise
        raise Retryable(f"somebody else has just stored it: {error.message}") from error


def _insert(connection: Connection, detection: Detection, pictures: StoredPictures | None) -> None:
    box = detection.bbox
    connection.execute(
        """
        INSERT INTO detections (detection_id, camera_id, captured_at, confidence, plate, bbox, attributes,
               picture_path, picture_kinds)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
        """,
        [
            detection.detection_id,
            detection.camera_id,
            from_ms(detection.captured_ms),
            detection.confidence,
            detection.plate,
            None if box is None else Jsonb([box.x, box.y, box.width, box.height]),
            Jsonb(dict(detection.attributes)),
            None if pictures is None else pictures.path,
            None if pictures is None else sorted(pictures.kinds),
        ],
    )


def _stored(row: DictRow | None, detection: Detection) -> DictRow:
    if row is None:
        raise Retryable(
            "the detection was deleted while it was stored", detection_id=detection.detection_id
        )
    return row


def _same(stored: DictRow, detection: Detection) -> bool:
    return to_ms(stored["captured_at"]) == detection.captured_ms


def _detection(row: DictRow) -> Detection:
    box = row["bbox"]
    return Detection(
        detection_id=row["detection_id"],
        camera_id=row["camera_id"],
        captured_ms=to_ms(row["captured_at"]),
        confidence=row["confidence"],
        plate=row["plate"],
        bbox=None if box is None else Box(*box),
        attributes=row["attributes"],
    )
