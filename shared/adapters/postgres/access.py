"""API keys, sessions and the access log, as rows."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow

from shared.adapters.postgres.access_log import access_log, log_access
from shared.adapters.postgres.database import Connection, Database
from shared.domain.access import (
    AccessEntry,
    AccessFilter,
    Caller,
    FoundSession,
    Role,
    StoredKey,
)
from shared.domain.errors import Conflict, NotFound
from shared.domain.purpose import stated

PREFIX = "plr"
LOOKUP_BYTES, SECRET_BYTES = 6, 32
_KEY: LiteralString = """
    id, name, role, cameras, lists, digest, created_at, created_by, expires_at, revoked_at, last_used_at
"""


class PostgresAccessRows:
    """Implements the port `AccessRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._key_seen = False

    def create_key(
        self,
        name: str,
        role: Role,
        cameras: Sequence[str] | None,
        expires_at: datetime | None,
        who: str,
        *,
        lists: bool = False,
    ) -> tuple[StoredKey, str]:
        with self._database.transaction() as connection:
            return insert_key(
                connection=connection,
                name=name,
                role=role,
                cameras=cameras,
                expires_at=expires_at,
                who=who,
                lists=lists,
            )

    def list_keys(self) -> list[StoredKey]:
        return [
            _stored(row)
            for row in self._database.fetch(f"SELECT {_KEY} FROM api_keys ORDER BY name")
        ]

    def revoke_key(self, name: str, who: str) -> None:
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE name = %s RETURNING id",
                [name],
            ).fetchone()
            if row is None:
                raise NotFound(f"there is no key {name}")
            connection.execute("DELETE FROM sessions WHERE key_id = %s", [row["id"]])
            log_access(
                connection=connection,
                who=who,
                action="key.revoke",
                segment_id=None,
                details={"name": name},
            )

    def any_key(self) -> bool:
        """The answer "yes" is remembered: rows of keys stay for ever."""
        if not self._key_seen:
            self._key_seen = bool(self._database.fetch("SELECT FROM api_keys LIMIT 1"))
        return self._key_seen

    def key_of(self, secret: str) -> StoredKey | None:
        """Finds the row by the part that is no secret, and compares digests in constant time."""
        prefix, _, rest = secret.partition("_")
        lookup = rest.partition("_")[0]
        if prefix != PREFIX or len(lookup) != 2 * LOOKUP_BYTES:
            return None
        row = self._database.fetch_one(
            f"""
            SELECT {_KEY}, last_used_at IS NULL OR last_used_at < now() - interval '1 hour' AS stale
              FROM api_keys
             WHERE lookup = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
            """,
            lookup,
        )
        if row is None or not hmac.compare_digest(bytes(row["digest"]), digest_of(secret)):
            return None
        if row["stale"]:
            self._database.execute(
                "UPDATE api_keys SET last_used_at = now() WHERE id = %s", row["id"]
            )
        return _stored(row)

    def open_session(
        self, caller: Caller, key_id: UUID | None, key_digest: str | None, seconds: float
    ) -> str:
        with self._database.transaction() as connection:
            return insert_session(
                connection=connection,
                caller=caller,
                key_id=key_id,
                key_digest=key_digest,
                seconds=seconds,
            )

    def session(self, token: str) -> FoundSession | None:
        """A session ends with its key."""
        row = self._database.fetch_one(
            """
            SELECT s.name, coalesce(k.role, s.role) AS role, coalesce(k.lists, false) AS lists,
                   s.key_digest, s.purpose, s.case_number,
                   CASE WHEN k.id IS NULL THEN s.cameras ELSE k.cameras END AS cameras
              FROM sessions s LEFT JOIN api_keys k ON k.id = s.key_id
             WHERE s.digest = %s AND s.expires_at > now() AND k.revoked_at IS NULL
               AND (k.expires_at IS NULL OR k.expires_at > now())
            """,
            digest_of(token),
        )
        if row is None:
            return None
        return FoundSession(
            caller=_caller(row),
            key_digest=row["key_digest"],
            purpose=row["purpose"],
            case=row["case_number"],
        )

    def close_session(self, token: str, who: str) -> None:
        with self._database.transaction() as connection:
            if connection.execute(
                "DELETE FROM sessions WHERE digest = %s", [digest_of(token)]
            ).rowcount:
                log_access(
                    connection=connection,
                    who=who,
                    action="session.close",
                    segment_id=None,
                    details={},
                )

    def signing_seed(self) -> bytes:
        row = self._database.fetch_one(
            "UPDATE deployment SET signing_seed = coalesce(signing_seed, %s) RETURNING signing_seed",
            secrets.token_bytes(SECRET_BYTES),
        )
        if row is None:
            raise NotFound("the database has lost its deployment id")
        return bytes(row["signing_seed"])

    def note(
        self,
        who: str,
        action: str,
        segment_id: UUID | None,
        details: Mapping[str, Any],
        *,
        lasting: bool = True,
    ) -> None:
        with self._database.pipelined() as connection:
            if not lasting:
                connection.execute("SET LOCAL synchronous_commit TO off")
            log_access(
                connection=connection,
                who=who,
                action=action,
                segment_id=segment_id,
                details=details,
            )

    def log(self, where: AccessFilter, before: int | None, limit: int) -> list[AccessEntry]:
        return access_log(self._database, where, before, limit)


def insert_key(
    connection: Connection,
    name: str,
    role: Role,
    cameras: Sequence[str] | None,
    expires_at: datetime | None,
    who: str,
    *,
    lists: bool,
) -> tuple[StoredKey, str]:
    """Make a key, `plr_LOOKUP_SECRET`. Returns it and its secret; raises Conflict."""
    lookup = secrets.token_hex(LOOKUP_BYTES)
    secret = f"{PREFIX}_{lookup}_{secrets.token_urlsafe(SECRET_BYTES)}"
    scope = None if cameras is None else list(cameras)
    try:
        row = connection.execute(
            f"""
            INSERT INTO api_keys (name, role, cameras, lists, lookup, digest, created_by, expires_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING {_KEY}
            """,
            [name, str(role), scope, lists, lookup, digest_of(secret), who, expires_at],
        ).fetchone()
    except UniqueViolation:
        raise Conflict(f"there is a key {name} already; a name is never used again") from None
    if row is None:
        raise Conflict("the key was not stored")
    log_access(
        connection=connection,
        who=who,
        action="key.create",
        segment_id=None,
        details={"name": name, "role": str(role), "cameras": scope, "lists": lists},
    )
    return _stored(row), secret


def insert_session(
    connection: Connection,
    caller: Caller,
    key_id: UUID | None,
    key_digest: str | None,
    seconds: float,
) -> str:
    """Begin a session, and delete those that have expired. Returns its token."""
    token = secrets.token_urlsafe(SECRET_BYTES)
    connection.execute("DELETE FROM sessions WHERE expires_at < now()")
    connection.execute(
        """
        INSERT INTO sessions (digest, name, role, cameras, key_id, key_digest, purpose, case_number, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))
        """,
        [
            digest_of(token),
            caller.name,
            str(caller.role),
            caller.scope,
            key_id,
            key_digest,
            stated().purpose,
            stated().case,
            seconds,
        ],
    )
    log_access(
        connection=connection,
        who=caller.name,
        action="session.open",
        segment_id=None,
        details={},
    )
    return token


def digest_of(secret: str) -> bytes:
    """Returns what is stored of a secret.

    Half of a surrogate pair, which JSON can hold, is in none; it harms nothing here.
    """
    return sha256(secret.encode(errors="surrogatepass")).digest()


def _caller(row: DictRow) -> Caller:
    cameras = row["cameras"]
    return Caller(
        row["name"],
        Role.named(row["role"]),
        None if cameras is None else frozenset(cameras),
        row["lists"],
    )


def _stored(row: DictRow) -> StoredKey:
    return StoredKey(
        key_id=row["id"],
        caller=_caller(row),
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
