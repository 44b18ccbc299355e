"""Invitations: whoever has one makes one key with it, which is how a browser gets its first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.access import Role, StoredKey

DEFAULT_HOURS, MOST_HOURS = 1.0, 168.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What the key will be allowed to do: cameras (None: all), lists as `Caller` has it."""

    role: Role
    lists: bool = False
    cameras: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """A key that an invitation made, its secret, and the token of a session that is open for it."""

    key: StoredKey
    secret: str
    session_token: str


def welcome_link(api_url: str, token: str) -> str:
    """Returns the link of an invitation. Browsers send nothing behind the # to a server, so that no
    server and no proxy writes the token to its log.
    """
    return f"{api_url.rstrip('/')}/#/welcome/{token}"
