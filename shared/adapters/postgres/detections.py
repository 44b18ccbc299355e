"""Rows of detections, and the transaction in which a detection becomes footage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import uuid4

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection, Database, as_uuids, lock_camera
from shared.adapters.postgres.windows import (
    apply,
    insert_segment,
    link,
    link_detection,
    load_windows,
    wanted_range,
)
from shared.domain.errors import Conflict
from shared.domain.gaps import GapCause
from shared.domain.lifecycle import ID_REUSED, DetectionOutcome, SegmentStatus
from shared.domain.media import Box, Detection
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Accepted, PendingMark, PendingPage
from shared.domain.recording import (
    LONGEST_MISSED_MS,
    Detected,
    Missed,
    lateness,
    step,
    stretches_of,
)
from shared.domain.segment import StoredDetection
from shared.domain.timing import from_ms, to_ms
from shared.domain.windows import Window
from shared.wire.bounded_json import printable

_ONE: LiteralString = "SELECT * FROM detections WHERE detection_id = %s AND camera_id = %s"


class PostgresDetectionRows:
    """Implements the port `DetectionRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Close the pool. Only for a repository that the doorway made; others share their pool."""
        self._database.close()

    def publish(self, detection: Detection) -> None:
        """Insert as `pending`. The same detection again changes nothing."""
        with self._database.transaction() as connection:
            _insert(connection, detection)
            stored = _stored(connection.execute(_ONE, _key(detection)).fetchone(), detection)
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
    ) -> list[Accepted]:
        """Takes detections of one camera, in order of captured_at."""
        answers: dict[str, Accepted] = {}
        missed: list[Detection] = []
        for detection in detections:
            accepted = self._accept(detection, oldest_ms, policy, newest_ms)
            if accepted is None:
                missed.append(detection)
            else:
                answers[detection.detection_id] = accepted
        moments = stretches_of([detection.captured_ms for detection in missed], LONGEST_MISSED_MS)
        for first_ms, last_ms in ((stretch[0], stretch[-1]) for stretch in moments):
            answers |= self._fail_missed(
                [d for d in missed if first_ms <= d.captured_ms <= last_ms], policy
            )
        return [answers[detection.detection_id] for detection in detections]

    def _accept(
        self,
        detection: Detection,
        oldest_ms: int | None,
        policy: RecordingPolicy,
        newest_ms: int | None = None,
    ) -> Accepted | None:
        """Record one detection in one transaction.

        Returns None when the buffer no longer has its footage.
        """
        given = Detected(
            captured_ms=detection.captured_ms,
            buffer_ms=policy.buffer_ms,
            post_event_ms=policy.post_event_ms,
            max_segment_ms=policy.max_segment_ms,
            oldest_ms=oldest_ms,
            late_ms=lateness(detection.captured_ms, newest_ms, policy.most_late_ms),
            border_ms=policy.since_ms,
        )
        with self._database.pipelined() as connection:
            lock_camera(connection, detection.camera_id)
            _insert(connection, detection)
            found = connection.execute(_ONE, _key(detection))
            before = load_windows(connection, detection.camera_id, *given.wanted)
            stored = _stored(found.fetchone(), detection)
            if not _same(stored, detection):
                return Accepted(DetectionOutcome.REJECTED, (), ID_REUSED)
            if stored["outcome"] != DetectionOutcome.PENDING:
                return _answer(connection, stored)
            if detection.confidence <= policy.min_confidence:
                _conclude(connection, _key(detection), DetectionOutcome.BELOW_THRESHOLD)
                return Accepted(DetectionOutcome.BELOW_THRESHOLD, ())
            windows, effects = step(before, given, uuid4)
            if any(isinstance(effect, Missed) for effect in effects):
                return None
            _conclude(connection, _key(detection), DetectionOutcome.RECORDED, given.wanted)
            apply(connection, detection.camera_id, policy, effects)
            meeting = [window.segment_id for window in windows.meeting(*given.wanted)]
            link_detection(connection, _key(detection), meeting)
            link(connection, detection.camera_id, windows.beyond(before))
            return Accepted(DetectionOutcome.RECORDED, tuple(meeting))

    def _fail_missed(
        self, missed: Sequence[Detection], policy: RecordingPolicy
    ) -> dict[str, Accepted]:
        """Insert one FAILED segment for detections that came too late; none for those that somebody
        else has settled.
        """
        camera_id = missed[0].camera_id
        with self._database.transaction() as connection:
            lock_camera(connection, camera_id)
            rows = connection.execute(
                "SELECT * FROM detections WHERE detection_id = ANY(%s) AND camera_id = %s",
                [[detection.detection_id for detection in missed], camera_id],
            ).fetchall()
            answers = {
                row["detection_id"]: _answer(connection, row)
                for row in rows
                if row["outcome"] != DetectionOutcome.PENDING
            }
            late = [detection for detection in missed if detection.detection_id not in answers]
            if late:
                failed = _failed_segment(connection, late, policy)
                answers |= {detection.detection_id: failed for detection in late}
        return answers

    def reject(self, camera_id: str, detection_id: str, reason: str) -> None:
        """Only a detection that is still pending changes."""
        with self._database.transaction() as connection:
            _conclude(
                connection,
                (detection_id, camera_id),
                DetectionOutcome.REJECTED,
                reason=printable(reason),
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

    def count_since(self, ms: int) -> int:
        """Returns how many detections were stored since a moment."""
        row = self._database.fetch_one(
            "SELECT count(*) AS n FROM detections WHERE created_at >= %s", from_ms(ms)
        )
        return 0 if row is None else int(row["n"])


def _key(detection: Detection) -> tuple[str, str]:
    """Returns what names a row: ids are per camera."""
    return detection.detection_id, detection.camera_id


def _insert(connection: Connection, detection: Detection) -> None:
    box = detection.bbox
    connection.execute(
        """
        INSERT INTO detections (detection_id, camera_id, captured_at, confidence, plate, bbox, attributes)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
        """,
        [
            detection.detection_id,
            detection.camera_id,
            from_ms(detection.captured_ms),
            detection.confidence,
            detection.plate,
            None if box is None else Jsonb([box.x, box.y, box.width, box.height]),
            Jsonb(dict(detection.attributes)),
        ],
    )


def _stored(row: DictRow | None, detection: Detection) -> DictRow:
    if row is None:
        raise Conflict(
            "the detection was deleted while it was stored", detection_id=detection.detection_id
        )
    return row


def _same(stored: DictRow, detection: Detection) -> bool:
    return to_ms(stored["captured_at"]) == detection.captured_ms


def _answer(connection: Connection, stored: DictRow) -> Accepted:
    rows = connection.execute(
        "SELECT segment_id AS id FROM segment_detections WHERE detection_id = %s AND camera_id = %s",
        [stored["detection_id"], stored["camera_id"]],
    ).fetchall()
    return Accepted(DetectionOutcome(stored["outcome"]), tuple(as_uuids(rows)), stored["reason"])


def _failed_segment(
    connection: Connection, missed: Sequence[Detection], policy: RecordingPolicy
) -> Accepted:
    start_ms = min(d.captured_ms for d in missed) - policy.buffer_ms
    end_ms = max(d.captured_ms for d in missed) + policy.post_event_ms
    segment_id = uuid4()
    window = Window(segment_id, start_ms, end_ms, growing=False)
    insert_segment(
        connection=connection,
        camera_id=missed[0].camera_id,
        policy=policy,
        window=window,
        trigger_ms=missed[0].captured_ms,
        continues=None,
        status=SegmentStatus.FAILED,
        error=GapCause.BUFFER_EXPIRED,
    )
    for detection in missed:
        _conclude(
            connection, _key(detection), DetectionOutcome.EXPIRED, reason=GapCause.BUFFER_EXPIRED
        )
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO segment_detections (segment_id, detection_id, camera_id, offset_ms) VALUES (%s, %s, %s, %s)
            ON CONFLICT DO NOTHING
            """,
            [(segment_id, d.detection_id, d.camera_id, d.captured_ms - start_ms) for d in missed],
        )
    return Accepted(DetectionOutcome.EXPIRED, (segment_id,), GapCause.BUFFER_EXPIRED)


def _conclude(
    connection: Connection,
    key: tuple[str, str],
    outcome: DetectionOutcome,
    wanted: tuple[int, int] | None = None,
    reason: str | None = None,
) -> None:
    connection.execute(
        """
        UPDATE detections SET outcome = %s, reason = %s, wanted = %s
         WHERE detection_id = %s AND camera_id = %s AND outcome = 'pending'
        """,
        [str(outcome), reason, None if wanted is None else wanted_range(*wanted), *key],
    )


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
