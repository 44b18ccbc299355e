"""Who a request comes from: an API key of the settings (`name:role:secret`) or of the database, or a page's session."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from uuid import UUID

from shared.domain.access import Caller, Role
from shared.domain.ports import Access, Tokens
from shared.runtime.configuration import ConfigurationError

SHORTEST_SECRET = 16
SESSION_SECONDS = 12 * 3600.0
DOTS_OF_A_TOKEN = 2
LOCAL = Caller("local", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, and the key that proves it: a row's id, or the digest of one of the settings."""

    caller: Caller
    key_id: UUID | None = None
    key_digest: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The known keys. `private`: only this machine can reach the API, so that it may be used without any key."""

    access: Access
    callers: Mapping[str, Caller] = field(default_factory=dict, repr=False)
    private: bool = True
    tokens: Tokens | None = None

    def by_secret(self, secret: str) -> Identity | None:
        """Whose key this is, None when it is nobody's. Compared in constant time."""
        digest = sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for known, caller in self.callers.items():
            if hmac.compare_digest(known, digest):
                found = Identity(caller, None, known)
        if found is not None:
            return found
        if self.tokens is not None and secret.count(".") == DOTS_OF_A_TOKEN:
            bearer = self.tokens.caller(secret)
            return None if bearer is None else Identity(bearer)
        key = self.access.key_of(secret)
        return None if key is None else Identity(key.caller, key.key_id, None)

    def by_session(self, token: str) -> Caller | None:
        """Whose session this is; one of a key that is no longer in the settings is nobody's."""
        found = self.access.session(token)
        if found is None:
            return None
        caller, key_digest = found
        return caller if key_digest is None or key_digest in self.callers else None

    def without_key(self) -> Caller | None:
        """Who a request without any key comes from: this machine's user, as long as nobody has made a key."""
        open_door = self.private and not self.callers and self.tokens is None
        return LOCAL if open_door and not self.access.any_key() else None

    def login(self, secret: str) -> tuple[Caller, str] | None:
        """Open a session with a key; its caller and token."""
        identity = self.by_secret(secret)
        if identity is None or (identity.key_id is None and identity.key_digest is None):
            return None  # a token of elsewhere ends by itself, a session would outlive it
        token = self.access.open_session(identity.caller, identity.key_id, identity.key_digest, SESSION_SECONDS)
        return identity.caller, token


def csrf_token(session_token: str) -> str:
    """What a page must send with every change it asks for: another site's page cannot read it."""
    return hmac.new(session_token.encode(), b"csrf", sha256).hexdigest()


def key_ring(setting: str | None, host: str, access: Access, tokens: Tokens | None = None) -> KeyRing:
    """Keys of the setting; ConfigurationError when one is malformed, or when there is none at all beyond loopback."""
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
    if not callers and not private and tokens is None and not access.any_key():
        raise ConfigurationError(
            [f"no API key (`platereel keys create`, PLATEREEL_API_KEYS): so it listens only on loopback, not on {host}"]
        )
    return KeyRing(access, callers, private, tokens)


def is_loopback(host: str) -> bool:
    """Whether only this machine can be meant."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
