"""Jobs that take turns in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.access_log import log_access
from shared.adapters.postgres.database import Connection, Database
from shared.adapters.postgres.pacer import WAKE
from shared.domain.errors import NotFound
from shared.domain.job import STALE_SECONDS, Job, JobKind, JobState, JobStatus
from shared.domain.json_object import JsonObject
from shared.domain.timing import from_ms

MOST_DEATHS = 5
PURGED_AT_ONCE = 20_000  # within a statement's time; the next run takes the rest


class PostgresJobRows:
    """Implements the port `JobRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(self, kind: JobKind, params: JsonObject, who: str) -> UUID:
        """Wakes the pacer."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "INSERT INTO jobs (kind, params, requested_by) VALUES (%s, %s, %s) RETURNING id",
                [kind, Jsonb(dict(params)), who],
            ).fetchone()
            log_access(
                connection=connection, who=who, action=kind, segment_id=None, details=dict(params)
            )
            connection.execute(f"NOTIFY {WAKE}")
        if row is None:
            raise NotFound("the job was not stored")
        return UUID(str(row["id"]))

    def get(self, job_id: UUID) -> JobState:
        row = self._database.fetch_one(
            """
            SELECT id, kind, params, state, requested_by, requested_at, started_at, finished_at, progress, result,
                   error
              FROM jobs WHERE id = %s
            """,
            job_id,
        )
        if row is None:
            raise NotFound(f"there is no job {job_id}")
        return JobState(**row | {"kind": JobKind(row["kind"]), "state": JobStatus(row["state"])})

    def due(self, periods_s: Mapping[JobKind, float]) -> list[Job]:
        """Offers a requested job again after 30 s, and a regular turn after two missed ones.

        Leaves jobs alone whose kind this version does not know: a newer one asked for them.
        """
        with self._database.transaction() as connection:
            for kind, period in periods_s.items():
                if not _try_turn(connection, kind):
                    continue
                connection.execute(
                    """
                    INSERT INTO jobs (kind, regular, requested_by)
                    SELECT %(kind)s, true, 'pacer'
                     WHERE NOT EXISTS (SELECT FROM jobs WHERE kind = %(kind)s AND regular
                                        AND (state IN ('requested', 'running')
                                             OR requested_at > now() - make_interval(secs => %(period)s * 2)))
                       AND (SELECT created_at FROM deployment) < now() - make_interval(secs => %(period)s * 2)
                    """,
                    {"kind": kind, "period": period},
                )
            connection.execute(
                """
                UPDATE jobs SET state = CASE WHEN deaths + 1 >= %(most)s THEN 'failed' ELSE 'requested' END,
                       finished_at = CASE WHEN deaths + 1 >= %(most)s THEN now() END,
                       error = CASE WHEN deaths + 1 >= %(most)s THEN 'its workers died over it' END,
                       deaths = deaths + 1, offered_at = NULL
                 WHERE id IN (SELECT id FROM jobs WHERE state = 'running'
                                 AND started_at < now() - make_interval(secs => %(stale)s) FOR UPDATE SKIP LOCKED)
                """,
                {"most": MOST_DEATHS, "stale": STALE_SECONDS},
            )
            rows = connection.execute(
                """
                UPDATE jobs SET offered_at = now()
                 WHERE id IN (SELECT id FROM jobs WHERE state = 'requested'
                                 AND (offered_at IS NULL OR offered_at < now() - interval '30 s')
                                 AND kind = ANY (%s)
                               FOR UPDATE SKIP LOCKED)
                RETURNING id, kind, params, regular, cursor
                """,
                [[str(kind) for kind in JobKind]],
            ).fetchall()
        return [_job(row) for row in rows]

    def begin(self, job_id: UUID) -> Job | None:
        row = self._database.fetch_one(
            """
            UPDATE jobs SET state = 'running', started_at = now() WHERE id = %s AND state = 'requested'
            RETURNING id, kind, params, regular, cursor
            """,
            job_id,
        )
        return None if row is None else _job(row)

    def begin_turn(self, kind: JobKind, period_s: float) -> Job | None:
        """Of two beats that ask, one gets the turn."""
        return self._begin_regular(
            kind,
            "state IN ('requested', 'running') OR requested_at > now() - make_interval(secs => %(period)s * 0.9)",
            {"period": period_s},
        )

    def begin_nightly(self, kind: JobKind, since_ms: int) -> Job | None:
        return self._begin_regular(
            kind,
            "state IN ('requested', 'running') OR (state = 'done' AND requested_at >= %(since)s)",
            {"since": from_ms(since_ms)},
        )

    def _begin_regular(
        self, kind: JobKind, taken: LiteralString, given: Mapping[str, object]
    ) -> Job | None:
        """`taken` says which regular job of this kind leaves no turn."""
        with self._database.transaction() as connection:
            connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('turn:' || %s, 0))", [kind]
            )
            row = connection.execute(
                f"""
                INSERT INTO jobs (kind, regular, requested_by, state, started_at)
                SELECT %(kind)s, true, 'beat', 'running', now()
                 WHERE NOT EXISTS (SELECT FROM jobs WHERE kind = %(kind)s AND regular AND ({taken}))
                RETURNING id, kind, params, regular, cursor
                """,
                {"kind": kind, **given},
            ).fetchone()
        return None if row is None else _job(row)

    def pause(self, job_id: UUID, cursor: JsonObject) -> None:
        """Wakes the pacer."""
        with self._database.transaction() as connection:
            connection.execute(
                """
                UPDATE jobs SET state = 'requested', cursor = %s, offered_at = NULL, deaths = 0
                 WHERE id = %s AND state = 'running'
                """,
                [Jsonb(dict(cursor)), job_id],
            )
            connection.execute(f"NOTIFY {WAKE}")

    def put_off(self, job_id: UUID) -> None:
        """The job is offered again half a minute later, from the cursor that it has."""
        self._database.execute(
            """
            UPDATE jobs SET deaths = deaths + 1, offered_at = now(),
                   state = CASE WHEN deaths + 1 >= %(most)s THEN 'failed' ELSE 'requested' END,
                   finished_at = CASE WHEN deaths + 1 >= %(most)s THEN now() END,
                   error = CASE WHEN deaths + 1 >= %(most)s THEN 'put off too often' END
             WHERE id = %(id)s AND state = 'running'
            """,
            {"most": MOST_DEATHS, "id": job_id},
        )

    def usual_archived(self, runs: int) -> int:
        """Dry runs do not count."""
        row = self._database.fetch_one(
            """
            SELECT coalesce(max((result->>'archived')::bigint), 0) AS n
              FROM (SELECT result FROM jobs WHERE kind = 'cleanup' AND state = 'done' AND result->>'dry_run' = 'false'
                     ORDER BY finished_at DESC LIMIT %s) last
            """,
            runs,
        )
        return 0 if row is None else int(row["n"])

    def tell(self, job_id: UUID, progress: JsonObject) -> None:
        """A worker that reports progress is not taken for dead."""
        self._database.execute(
            "UPDATE jobs SET progress = %s, started_at = now() WHERE id = %s AND state = 'running'",
            Jsonb(dict(progress)),
            job_id,
        )

    def finish(self, job_id: UUID, result: JsonObject, error: str | None = None) -> None:
        """Keeps the last thousand finished jobs of a kind."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = %s, finished_at = now(), result = %s, error = %s, cursor = NULL "
                "WHERE id = %s AND state = 'running'",
                ["done" if error is None else "failed", Jsonb(dict(result)), error, job_id],
            )
            connection.execute(
                """
                DELETE FROM jobs j USING (SELECT kind FROM jobs WHERE id = %s) ended
                 WHERE j.kind = ended.kind AND j.state IN ('done', 'failed') AND j.requested_at < (
                    SELECT requested_at FROM jobs WHERE kind = ended.kind AND state IN ('done', 'failed')
                     ORDER BY requested_at DESC OFFSET 1000 LIMIT 1)
                """,
                [job_id],
            )

    def purge_outbox(self, older_than_s: float) -> Mapping[str, int]:
        self._database.execute(
            """
            DELETE FROM outbox WHERE id IN (
                SELECT id FROM outbox WHERE relayed_at < now() - make_interval(secs => %s) LIMIT %s)
            """,
            older_than_s,
            PURGED_AT_ONCE,
        )
        gone = self._database.fetch(
            """
            DELETE FROM webhook_deliveries WHERE id IN (
                SELECT id FROM webhook_deliveries
                 WHERE created_at < now() - make_interval(secs => %s) AND (next_at IS NULL OR attempts = 0) LIMIT %s)
            RETURNING webhook, next_at
            """,
            older_than_s,
            PURGED_AT_ONCE,
        )
        return Counter(row["webhook"] for row in gone if row["next_at"] is not None)


def _try_turn(connection: Connection, kind: JobKind) -> bool:
    """Take the lock of a kind's turns, where it is free.

    In a statement of its own: what a statement sees is settled before it takes a lock.
    """
    row = connection.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('turn:' || %s, 0)) AS taken", [kind]
    ).fetchone()
    return row is not None and bool(row["taken"])


def _job(row: DictRow) -> Job:
    return Job(
        job_id=row["id"],
        kind=JobKind(row["kind"]),
        params=row["params"],
        regular=row["regular"],
        cursor=row["cursor"],
    )
