"""Invitations: a row each, used once."""

from __future__ import annotations

import secrets

from psycopg.rows import DictRow

from shared.adapters.postgres.access import SECRET_BYTES, digest_of, insert_key, insert_session
from shared.adapters.postgres.access_log import log_access
from shared.adapters.postgres.database import Connection, Database
from shared.domain.access import Role
from shared.domain.errors import Conflict, Gone
from shared.domain.invitations import Invitation, Redeemed


class PostgresInvitationRows:
    """Implements the port `InvitationRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def invite(self, invitation: Invitation, seconds: float, who: str) -> str:
        """Deletes those that ended more than a week ago; the access log keeps what became of
        them.
        """
        with self._database.transaction() as connection:
            return _insert(connection, invitation, seconds, who)

    def invite_first(self, seconds: float, who: str) -> str | None:
        with self._database.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('first key', 0))")
            if connection.execute("SELECT FROM api_keys LIMIT 1").fetchone() is not None:
                return None
            connection.execute(
                "DELETE FROM invitations WHERE created_by = %s AND used_at IS NULL", [who]
            )
            return _insert(connection, Invitation(role=Role.ADMIN), seconds, who)

    def redeem(self, token: str, name: str, session_seconds: float) -> Redeemed | None:
        """All in one transaction: whoever comes second waits, and finds it used."""
        digest = digest_of(token)
        with self._database.transaction() as connection:
            row = connection.execute(
                """
                SELECT role, lists, cameras, created_by, used_at IS NOT NULL AS used, expires_at <= now() AS over
                  FROM invitations WHERE token_sha256 = %s FOR UPDATE
                """,
                [digest],
            ).fetchone()
            if row is None:
                return None
            return _made(connection, digest, row, name, session_seconds)


def _insert(connection: Connection, invitation: Invitation, seconds: float, who: str) -> str:
    token = secrets.token_urlsafe(SECRET_BYTES)
    scope = None if invitation.cameras is None else list(invitation.cameras)
    connection.execute("DELETE FROM invitations WHERE expires_at < now() - interval '7 days'")
    connection.execute(
        """
        INSERT INTO invitations (token_sha256, role, lists, cameras, created_by, expires_at)
        VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s))
        """,
        [digest_of(token), str(invitation.role), invitation.lists, scope, who, seconds],
    )
    log_access(
        connection=connection,
        who=who,
        action="invitation.create",
        segment_id=None,
        details={"role": str(invitation.role), "cameras": scope, "lists": invitation.lists},
    )
    return token


def _made(
    connection: Connection, digest: bytes, row: DictRow, name: str, session_seconds: float
) -> Redeemed:
    if row["used"]:
        raise Conflict("this invitation was used already; ask for another one")
    if row["over"]:
        raise Gone("this invitation has expired; ask for another one")
    key, secret = insert_key(
        connection=connection,
        name=name,
        role=Role.named(row["role"]),
        cameras=row["cameras"],
        expires_at=None,
        who=f"invitation of {row['created_by']}",
        lists=row["lists"],
    )
    connection.execute(
        "UPDATE invitations SET used_at = now(), used_by_key = %s WHERE token_sha256 = %s",
        [key.key_id, digest],
    )
    token = insert_session(
        connection=connection,
        caller=key.caller,
        key_id=key.key_id,
        key_digest=None,
        seconds=session_seconds,
    )
    return Redeemed(key=key, secret=secret, session_token=token)
