"""Shares: a row each."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from shared.adapters.postgres.access import SECRET_BYTES, digest_of
from shared.adapters.postgres.access_log import log_access
from shared.adapters.postgres.database import Database
from shared.domain.errors import BadInput, Gone, NotFound
from shared.domain.shares import MOST_HOURS, Share

_SHARE: LiteralString = """
    id, segment_id, note, created_by, created_at, expires_at, revoked_at, revoked_by, views, last_seen_at,
    revoked_at IS NULL AND expires_at > now() AS open
"""


class PostgresShareRows:
    """Implements the port `ShareRows`. What ends is judged by the database's clock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def share(
        self, segment_id: UUID, expires_at: datetime, note: str | None, who: str
    ) -> tuple[Share, str]:
        """Writes to the access log."""
        token = secrets.token_urlsafe(SECRET_BYTES)
        with self._database.transaction() as connection:
            row = connection.execute(
                f"""
                INSERT INTO shares (segment_id, token_sha256, note, created_by, expires_at)
                SELECT %(segment)s, %(digest)s, %(note)s, %(who)s, %(until)s
                 WHERE %(until)s > now() AND %(until)s <= now() + make_interval(secs => %(most)s)
                RETURNING {_SHARE}
                """,
                {
                    "segment": segment_id,
                    "digest": digest_of(token),
                    "note": note,
                    "who": who,
                    "until": expires_at,
                    # A minute more, for a clock of elsewhere that is ahead.
                    "most": MOST_HOURS * 3600 + 60,
                },
            ).fetchone()
            if row is None:
                raise BadInput(
                    "expires_at", f"must be later than now, and within {MOST_HOURS / 24:.0f} days"
                )
            share = Share(**row)
            log_access(
                connection=connection,
                who=who,
                action="share.create",
                segment_id=segment_id,
                details={"share": str(share.id), "expires_at": expires_at.isoformat()},
            )
        return share, token

    def of_segment(self, segment_id: UUID) -> list[Share]:
        rows = self._database.fetch(
            f"SELECT {_SHARE} FROM shares WHERE segment_id = %s ORDER BY created_at DESC, id",
            segment_id,
        )
        return [Share(**row) for row in rows]

    def segment_of(self, share_id: UUID) -> UUID:
        row = self._database.fetch_one("SELECT segment_id FROM shares WHERE id = %s", share_id)
        if row is None:
            raise NotFound(f"there is no share {share_id}")
        return UUID(str(row["segment_id"]))

    def revoke(self, share_id: UUID, who: str) -> None:
        """Writes to the access log."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT segment_id, revoked_at FROM shares WHERE id = %s FOR UPDATE", [share_id]
            ).fetchone()
            if row is None:
                raise NotFound(f"there is no share {share_id}")
            if row["revoked_at"] is not None:
                return
            connection.execute(
                "UPDATE shares SET revoked_at = now(), revoked_by = %s WHERE id = %s",
                [who, share_id],
            )
            log_access(
                connection=connection,
                who=who,
                action="share.revoke",
                segment_id=row["segment_id"],
                details={"share": str(share_id)},
            )

    def opened(self, token: str) -> Share | None:
        row = self._database.fetch_one(
            f"SELECT {_SHARE} FROM shares WHERE token_sha256 = %s", digest_of(token)
        )
        if row is None:
            return None
        share = Share(**row)
        if share.revoked_at is not None:
            raise Gone("this link was ended; ask for another one")
        if not share.open:
            raise Gone("this link has expired; ask for another one")
        return share

    def viewed(self, share: Share, address: str) -> None:
        """Writes to the access log."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE shares SET views = views + 1, last_seen_at = now() WHERE id = %s",
                [share.id],
            )
            log_access(
                connection=connection,
                who=share.who,
                action="share.view",
                segment_id=share.segment_id,
                details={"address": address},
            )
