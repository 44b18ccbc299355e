"""Whom a request comes from: an API key of the settings (`name:role:secret`) or of the database, or
a session.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from uuid import UUID

from shared.domain.access import Caller, Role
from shared.domain.ports import AccessRows, Tokens
from shared.domain.purpose import stated
from shared.runtime.configuration import ConfigurationError

SHORTEST_SECRET = 16
SESSION_SECONDS = 12 * 3600.0
DOTS_OF_A_TOKEN = 2
LOCAL = Caller("local", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, and the key that proves it: a row's id, or the digest of a key of the settings."""

    caller: Caller
    key_id: UUID | None = None
    key_digest: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The known keys.

    `private`: only this machine can reach the API, so it may be used without a key.
    """

    access: AccessRows
    callers: Mapping[str, Caller] = field(default_factory=dict, repr=False)
    private: bool = True
    tokens: Tokens | None = None

    def by_secret(self, secret: str) -> Identity | None:
        """Returns whose key this is, or None. Compares in constant time."""
        try:
            digest = sha256(secret.encode()).hexdigest()
        except UnicodeEncodeError:  # half of a surrogate pair: JSON can hold it, no key does
            return None
        found = None
        for known, caller in self.callers.items():
            if hmac.compare_digest(known, digest):
                found = Identity(caller, None, known)
        if found is not None:
            return found
        if self.tokens is not None and _is_token(secret):
            bearer = self.tokens.caller(secret)
            return None if bearer is None else Identity(bearer)
        key = self.access.key_of(secret)
        return None if key is None else Identity(key.caller, key.key_id, None)

    def is_guess(self, secret: str) -> bool:
        """Returns whether a wrong secret may be one of many guesses.

        A token of the provider is signed, so it is none.
        """
        return self.tokens is None or not _is_token(secret)

    def by_session(self, token: str) -> Caller | None:
        """Returns whose session this is, with the role, cameras and right to the lists that its
        key has now; None where that key is gone. The session's purpose is that of a request that
        states none.
        """
        found = self.access.session(token)
        if found is None:
            return None
        stated().fill(found.purpose, found.case)
        digest = found.key_digest
        return found.caller if digest is None else self.callers.get(digest)

    def door_open(self) -> bool:
        """Returns whether this machine needs no key: no key was ever made, and only this machine
        reaches the API.
        """
        return (
            self.private and not self.callers and self.tokens is None and not self.access.any_key()
        )

    def without_key(self) -> Caller | None:
        """Returns the caller of a request without a key: this machine's user, while the door is
        open.
        """
        return LOCAL if self.door_open() else None

    def login(self, identity: Identity) -> tuple[Caller, str] | None:
        """Open a session for the holder of a key. Returns its caller and token."""
        if identity.key_id is None and identity.key_digest is None:
            return None  # a token of elsewhere ends by itself, a session would outlive it
        token = self.access.open_session(
            identity.caller, identity.key_id, identity.key_digest, SESSION_SECONDS
        )
        return identity.caller, token


def _is_token(secret: str) -> bool:
    return secret.count(".") == DOTS_OF_A_TOKEN


def csrf_token(session_token: str) -> str:
    """Returns what a page must send with every change: a page of another site cannot read it."""
    return hmac.new(session_token.encode(), b"csrf", sha256).hexdigest()


def key_ring(
    setting: str | None, host: str, access: AccessRows, tokens: Tokens | None = None
) -> KeyRing:
    """Returns the keys of the setting.

    Raises ConfigurationError when one is malformed, or when there is none at all beyond loopback.
    """
    callers: dict[str, Caller] = {}
    for entry in filter(None, (setting or "").split(",")):
        name, _, rest = entry.strip().partition(":")
        role, _, secret = rest.partition(":")
        try:
            caller = Caller(name, Role.named(role.lower()))
        except ValueError:
            caller = None
        if not name or caller is None or len(secret) < SHORTEST_SECRET:
            raise ConfigurationError(
                [
                    (
                        f"PLATEREEL_API_KEYS: key {name or '?'!r}: write name:role:secret, the role one of viewer, "
                        f"operator, admin and the secret of at least {SHORTEST_SECRET} characters"
                    )
                ]
            )
        callers[sha256(secret.encode()).hexdigest()] = caller
    private = is_loopback(host)
    # asked here once, so that a database that is away later leaves no doubt
    made = access.any_key()
    if not callers and not private and tokens is None and not made:
        none = "no API key (`platereel keys create`, PLATEREEL_API_KEYS)"
        raise ConfigurationError([f"{none}: so it listens only on loopback, not on {host}"])
    return KeyRing(access, callers, private, tokens)


def is_loopback(host: str) -> bool:
    """Returns whether the host can only mean this machine."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
