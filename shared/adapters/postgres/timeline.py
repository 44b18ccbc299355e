"""What a timeline draws: rows become columns without a value for each row, which would take most of
the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, LiteralString

from psycopg.rows import tuple_row

from shared.adapters.postgres.database import Connection, Database
from shared.adapters.postgres.part_facts import gaps_of_row
from shared.domain.lifecycle import SegmentStatus
from shared.domain.timeline import CameraTimeline, GapBars, PassMarks, SegmentBars, Timeline
from shared.domain.timing import from_ms

MOST_SEGMENTS, MOST_PASSES, MOST_GAPS = 10_000, 50_000, 10_000
Rows = list[tuple[Any, ...]]

# date_part counts in floating point, several times as fast as extract, and exactly enough for ms.
_SEGMENTS: LiteralString = """
    SELECT camera_id, id::text, (date_part('epoch', starts) * 1000)::bigint, (date_part('epoch', ends) * 1000)::bigint,
           status, protected, strip, gaps, error
      FROM (
        SELECT camera_id, id, start_time, status, protected, NULLIF(gaps, '[]') AS gaps,
               status = 'ready' AND strip IS NOT NULL AS strip,
               CASE WHEN status = 'failed' AND gaps = '[]' THEN coalesce(error, 'failed') END AS error,
               CASE WHEN status = 'ready' THEN coalesce(first_frame_at, start_time) ELSE start_time END AS starts,
               coalesce(CASE WHEN status = 'ready' THEN first_frame_at + make_interval(secs => duration_seconds) END,
                        end_time, deadline) AS ends
          FROM video_segments
         WHERE start_time < %(to)s AND start_time > %(from)s - interval '2 hours' AND deadline > %(from)s
           AND status IN ('recording', 'finalizing', 'ready', 'failed')
           AND (%(cameras)s::text[] IS NULL OR camera_id = ANY (%(cameras)s))
         ORDER BY start_time DESC, id DESC LIMIT %(limit)s) found
     ORDER BY start_time DESC, found.id DESC
"""
# Most passes last seconds. What began long before is found by how long it lasted, or is open.
_PASSES: LiteralString = """
    SELECT camera_id, id::text, (date_part('epoch', first_at) * 1000)::bigint,
           (date_part('epoch', last_at) * 1000)::bigint, plate, hit, recorded
      FROM (
        SELECT camera_id, id, first_at, last_at, coalesce(corrected_plate, plate) AS plate, hit, recorded FROM passes
         WHERE first_at < %(to)s AND first_at >= %(from)s - interval '1 hour' AND last_at >= %(from)s
           AND (%(cameras)s::text[] IS NULL OR camera_id = ANY (%(cameras)s))
        UNION ALL
        SELECT camera_id, id, first_at, last_at, coalesce(corrected_plate, plate), hit, recorded FROM passes
         WHERE ended_at - first_at > interval '1 hour' AND ended_at IS NOT NULL
           AND first_at < %(from)s - interval '1 hour' AND last_at >= %(from)s
           AND (%(cameras)s::text[] IS NULL OR camera_id = ANY (%(cameras)s))
        UNION ALL
        SELECT camera_id, id, first_at, last_at, coalesce(corrected_plate, plate), hit, recorded FROM passes
         WHERE ended_at IS NULL AND first_at < %(from)s - interval '1 hour' AND last_at >= %(from)s
           AND (%(cameras)s::text[] IS NULL OR camera_id = ANY (%(cameras)s))
         ORDER BY first_at DESC, id DESC LIMIT %(limit)s) found
     ORDER BY first_at DESC, found.id DESC
"""


class PostgresTimelineRows:
    """Implements the port `TimelineRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def timeline(self, first_ms: int, last_ms: int, cameras: Sequence[str] | None) -> Timeline:
        given = {
            "from": from_ms(first_ms),
            "to": from_ms(last_ms),
            "cameras": None if cameras is None else list(cameras),
        }
        with self._database.transaction() as connection:
            segments = _rows(connection, _SEGMENTS, given, MOST_SEGMENTS + 1)
            passes = _rows(connection, _PASSES, given, MOST_PASSES + 1)
        kept = segments[:MOST_SEGMENTS]
        gaps = list(islice(_gaps(kept, first_ms, last_ms), MOST_GAPS + 1))
        complete = (
            len(segments) <= MOST_SEGMENTS and len(passes) <= MOST_PASSES and len(gaps) <= MOST_GAPS
        )
        bars, marks = _by_camera(kept), _by_camera(passes[:MOST_PASSES])
        lacks = _by_camera(gaps[:MOST_GAPS])
        return Timeline(
            cameras={
                camera_id: CameraTimeline(
                    camera_id=camera_id,
                    segments=_bars(bars.get(camera_id, [])),
                    passes=_marks(marks.get(camera_id, [])),
                    gaps=_lacks(lacks.get(camera_id, [])),
                )
                for camera_id in sorted({*bars, *marks})
            },
            complete=complete,
        )


def _rows(
    connection: Connection, statement: LiteralString, given: dict[str, Any], limit: int
) -> Rows:
    with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        return cursor.execute(statement, {**given, "limit": limit}).fetchall()


def _gaps(segments: Rows, first_ms: int, last_ms: int) -> Iterator[tuple[Any, ...]]:
    """Yields the gaps that meet the time, newest first. A failed segment without any lacks all."""
    for camera_id, segment_id, start_ms, end_ms, *_, stored, error in segments:
        if error is not None:
            yield camera_id, segment_id, start_ms, end_ms, 0, error
        for gap in reversed(gaps_of_row(stored or ())):
            if gap.from_ms < last_ms and gap.to_ms > first_ms:
                yield camera_id, segment_id, gap.from_ms, gap.to_ms, gap.frames, str(gap.cause)


def _by_camera(newest_first: Rows) -> dict[str, Rows]:
    """Returns each camera's rows, oldest first."""
    found: defaultdict[str, Rows] = defaultdict(list)
    for row in reversed(newest_first):
        found[row[0]].append(row)
    return found


def _bars(rows: Rows) -> SegmentBars:
    if not rows:
        return SegmentBars()
    _, ids, starts, ends, status, protected, strip, *_ = map(list, zip(*rows, strict=True))
    return SegmentBars(
        ids=ids,
        start_ms=starts,
        end_ms=ends,
        status=[SegmentStatus(each) for each in status],
        protected=protected,
        strip=strip,
    )


def _marks(rows: Rows) -> PassMarks:
    if not rows:
        return PassMarks()
    _, ids, first, last, plates, hit, recorded = map(list, zip(*rows, strict=True))
    return PassMarks(
        ids=ids, first_ms=first, last_ms=last, plates=plates, hit=hit, recorded=recorded
    )


def _lacks(rows: Rows) -> GapBars:
    if not rows:
        return GapBars()
    _, ids, starts, ends, frames, causes = map(list, zip(*rows, strict=True))
    return GapBars(segment_ids=ids, from_ms=starts, to_ms=ends, frames=frames, cause=causes)
