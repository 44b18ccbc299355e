"""API keys, sessions and the access log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from shared.domain.access import AccessEntry, AccessFilter, Caller, FoundSession, Role, StoredKey


class Signer(Protocol):
    """Signs evidence with the deployment's key."""

    @property
    def public_key(self) -> str:
        """The key that signatures are checked with, in base64."""

    def sign(self, data: bytes) -> str:
        """Returns a signature over `data`, in base64."""


class Tokens(Protocol):
    """Access tokens of an identity provider."""

    def caller(self, token: str) -> Caller | None:
        """Returns whom a token speaks for, None for one that is not valid here.

        Raises Retryable while the provider's keys cannot be read.
        """


class AccessRows(Protocol):
    """API keys and the page's sessions. A secret is shown once and stored as a hash."""

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
        """Make a key; lists: of an operator who may see and change the lists of plates.

        Returns it and its secret; raises Conflict when the name is taken.
        """

    def list_keys(self) -> list[StoredKey]:
        """Returns all keys, by name."""

    def revoke_key(self, name: str, who: str) -> None:
        """End a key and its sessions; raises NotFound."""

    def any_key(self) -> bool:
        """Returns whether a key was ever made, usable or not: rows of keys stay for ever."""

    def key_of(self, secret: str) -> StoredKey | None:
        """Returns the usable key with this secret, or None. Its use is noted once an hour."""

    def open_session(
        self, caller: Caller, key_id: UUID | None, key_digest: str | None, seconds: float
    ) -> str:
        """Begin a session, with the purpose that is stated. Returns its token."""

    def session(self, token: str) -> FoundSession | None:
        """Returns the session of a token, with its key's row as it is now; None where there is
        none.
        """

    def close_session(self, token: str, who: str) -> None:
        """End a session, if there is one."""

    def signing_seed(self) -> bytes:
        """Returns the 32 secret bytes that this deployment signs with. The first call makes
        them.
        """

    def note(
        self,
        who: str,
        action: str,
        segment_id: UUID | None,
        details: Mapping[str, Any],
        *,
        lasting: bool = True,
    ) -> None:
        """Write a line of the access log, with the purpose that is stated.

        lasting=False: it need not be on disk at once; a power cut may lose it.
        """

    def log(self, where: AccessFilter, before: int | None, limit: int) -> list[AccessEntry]:
        """Returns lines of the access log before an id, newest first."""
