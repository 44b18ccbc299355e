"""What the rows tell of a deployment's health: what waits, what is stuck, what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import LiteralString

from psycopg.rows import DictRow

from shared.adapters.postgres.database import Connection, Database
from shared.domain.health import (
    STUCK_SECONDS,
    EndedJob,
    FailingDeliveries,
    QueueHealth,
    RowsHealth,
    StuckRecording,
)
from shared.domain.job import JobKind
from shared.domain.survey import Surveyed

# A lease that ran out is taken back within a second; what is older was forgotten.
FORGOTTEN_SECONDS = 5
# A delivery that failed once may arrive at its second try.
FAILING_SECONDS = 20
_PART_STATES = ("due", "queued", "running", "parked")
_QUEUES: LiteralString = """
    SELECT 'parts' AS name, count(*) AS length, extract(epoch FROM now() - min(end_time))::float8 AS oldest
      FROM segment_parts WHERE state NOT IN ('done', 'gap') AND state IN ('due', 'queued') AND end_time < now()
    UNION ALL
    SELECT 'clips', count(*), extract(epoch FROM now() - min(coalesce(s.grows_until, s.deadline)))::float8
      FROM video_segments s WHERE status = 'finalizing' AND lease_token IS NULL
       AND NOT EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id AND p.state NOT IN ('done', 'gap'))
    UNION ALL
    SELECT 'jobs', count(*), extract(epoch FROM now() - min(coalesce(started_at, requested_at)))::float8
      FROM jobs WHERE state = 'requested'
    UNION ALL
    SELECT 'events', count(*), extract(epoch FROM now() - min(created_at))::float8
      FROM outbox WHERE relayed_at IS NULL
"""
_STUCK: LiteralString = """
    SELECT camera_id, count(*) AS count, min(deadline) AS since FROM video_segments
     WHERE status IN ('recording', 'finalizing')
       AND coalesce(grows_until, deadline) + make_interval(secs => late_ms / 1000.0) < now() - make_interval(secs => %s)
       AND (%s::text[] IS NULL OR camera_id = ANY (%s))
     GROUP BY camera_id ORDER BY since
"""
_DELIVERIES: LiteralString = """
    SELECT webhook, count(*) AS length, min(created_at) AS since,
           extract(epoch FROM now() - min(created_at))::float8 AS oldest,
           (array_agg(error ORDER BY next_at DESC) FILTER (WHERE error IS NOT NULL))[1] AS error
      FROM webhook_deliveries WHERE next_at IS NOT NULL GROUP BY webhook ORDER BY webhook
"""
_ENDED: LiteralString = """
    SELECT k.kind, j.finished_at,
           coalesce(j.error, CASE jsonb_typeof(j.result->'stopped')
                             WHEN 'array' THEN (SELECT string_agg(each, '; ')
                                                  FROM jsonb_array_elements_text(j.result->'stopped') AS each)
                             ELSE j.result->>'stopped' END, 'it failed') AS why
      FROM unnest(%s::text[]) AS k (kind) CROSS JOIN LATERAL (
            SELECT state, finished_at, error, result FROM jobs
             WHERE regular AND kind = k.kind AND state IN ('done', 'failed') ORDER BY started_at DESC LIMIT 1) j
     WHERE j.state = 'failed' OR coalesce(j.result->'stopped', '[]') NOT IN ('[]', 'null')
"""
_UNFINISHED: LiteralString = """
    SELECT s.status AS kind, count(*) AS count FROM video_segments s
     WHERE s.status IN ('recording', 'finalizing', 'expiring') GROUP BY 1
    UNION ALL
    SELECT 'part ' || CASE WHEN p.parked AND p.state <> 'running' THEN 'parked' ELSE p.state END, count(*)
      FROM segment_parts p JOIN video_segments s ON s.id = p.segment_id
     WHERE p.state IN ('due', 'queued', 'running') AND s.status IN ('recording', 'finalizing') GROUP BY 1
"""
_JOBS: LiteralString = """
    SELECT kind, extract(epoch FROM max(finished_at))::float8 AS at FROM jobs
     WHERE state = 'done' AND coalesce(result->'stopped', '[]') IN ('[]', 'null') GROUP BY kind
"""
_NUMBERS: LiteralString = """
    SELECT (SELECT extract(epoch FROM now() - paced_at)::float8 FROM deployment) AS unpaced,
           (SELECT extract(epoch FROM now() - coalesce(backed_up_at, created_at))::float8 FROM deployment) AS unbacked,
           (SELECT count(*) FROM segment_parts
             WHERE state = 'running' AND lease_until < now() - make_interval(secs => %(forgotten)s))
         + (SELECT count(*) FROM video_segments
             WHERE status = 'finalizing' AND lease_until < now() - make_interval(secs => %(forgotten)s)) AS dead_runs,
           (SELECT coalesce(sum(frames_lost), 0)::bigint FROM video_segments
             WHERE start_time >= %(today)s AND (%(cameras)s::text[] IS NULL OR camera_id = ANY (%(cameras)s))) AS lost
"""


class PostgresHealthRows:
    """Implements the ports `HealthRows` and `SurveyRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, today: datetime, cameras: Sequence[str] | None) -> RowsHealth:
        """Every statement goes along an index of what is unfinished, or of a day's clips."""
        scope = None if cameras is None else list(cameras)
        with self._database.transaction() as connection:
            queues = connection.execute(_QUEUES).fetchall()
            stuck = connection.execute(_STUCK, [STUCK_SECONDS, scope, scope]).fetchall()
            deliveries = _deliveries(connection) if cameras is None else []
            ended = connection.execute(_ENDED, [[str(kind) for kind in JobKind]]).fetchall()
            given = {"forgotten": FORGOTTEN_SECONDS, "today": today, "cameras": scope}
            numbers = connection.execute(_NUMBERS, given).fetchone()
        return RowsHealth(
            queues=[*(_queue(row["name"], row) for row in queues), *_lanes(deliveries)],
            stuck=[StuckRecording(**row) for row in stuck],
            failing=list(_failing(deliveries)),
            ended=[
                EndedJob(kind=row["kind"], at=row["finished_at"], why=row["why"]) for row in ended
            ],
            unpaced_seconds=None if numbers is None else numbers["unpaced"],
            dead_runs=0 if numbers is None else numbers["dead_runs"],
            frames_lost=0 if numbers is None else numbers["lost"],
            unbacked_seconds=0.0 if numbers is None else numbers["unbacked"],
        )

    def survey(self) -> Surveyed:
        with self._database.transaction() as connection:
            queues = connection.execute(_QUEUES).fetchall()
            deliveries = _deliveries(connection)
            unfinished = connection.execute(_UNFINISHED).fetchall()
            stuck = connection.execute(_STUCK, [STUCK_SECONDS, None, None]).fetchall()
            jobs = connection.execute(_JOBS).fetchall()
        counts = {row["kind"]: row["count"] for row in unfinished}
        return Surveyed(
            queues=[_queue(row["name"], row) for row in queues],
            deliveries={row["webhook"]: _queue(row["webhook"], row) for row in deliveries},
            recordings={
                name: counts.get(name, 0) for name in ("recording", "finalizing", "expiring")
            },
            parts={name: counts.get(f"part {name}", 0) for name in _PART_STATES},
            stuck=sum(row["count"] for row in stuck),
            jobs={row["kind"]: row["at"] for row in jobs if row["at"] is not None},
        )


def _deliveries(connection: Connection) -> list[DictRow]:
    return connection.execute(_DELIVERIES).fetchall()


def _queue(name: str, row: DictRow) -> QueueHealth:
    oldest = None if row["oldest"] is None else max(0.0, row["oldest"])
    return QueueHealth(name=name, length=row["length"], oldest_seconds=oldest)


def _lanes(rows: Sequence[DictRow]) -> list[QueueHealth]:
    return [_queue(f"events for {row['webhook']}", row) for row in rows]


def _failing(rows: Sequence[DictRow]) -> Iterator[FailingDeliveries]:
    for row in rows:
        if row["error"] is not None and row["oldest"] > FAILING_SECONDS:
            yield FailingDeliveries(
                webhook=row["webhook"], count=row["length"], since=row["since"], error=row["error"]
            )
