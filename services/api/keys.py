"""API keys: `name:role:secret`, compared in constant time, kept only as hashes."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from ipaddress import ip_address

from shared.runtime.configuration import ConfigurationError

SHORTEST_SECRET = 16


class Role(IntEnum):
    """What a key may do; each role may do what the ones before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The known keys; without any, everybody who can reach the loopback address is an admin."""

    callers: dict[str, Caller] = field(default_factory=dict, repr=False)

    def caller(self, secret: str | None) -> Caller | None:
        """Whose key this is, None when it is nobody's."""
        if not self.callers:
            return Caller("local", Role.ADMIN)
        digest = sha256((secret or "").encode()).hexdigest()
        found = None
        for known, caller in self.callers.items():
            if hmac.compare_digest(known, digest):
                found = caller
        return found


def key_ring(setting: str | None, host: str) -> KeyRing:
    """Keys of the setting; ConfigurationError when one is malformed, or when there is none beyond loopback."""
    callers: dict[str, Caller] = {}
    for entry in filter(None, (setting or "").split(",")):
        name, _, rest = entry.strip().partition(":")
        role, _, secret = rest.partition(":")
        if not name or role.upper() not in Role.__members__ or len(secret) < SHORTEST_SECRET:
            raise ConfigurationError(
                [
                    (
                        f"PLATEREEL_API_KEYS: key {name or '?'!r}: write name:role:secret, the role one of viewer, "
                        f"operator, admin and the secret of at least {SHORTEST_SECRET} characters"
                    )
                ]
            )
        callers[sha256(secret.encode()).hexdigest()] = Caller(name, Role[role.upper()])
    if not callers and not _is_loopback(host):
        raise ConfigurationError(
            [f"PLATEREEL_API_KEYS is not set: without keys the API listens only on loopback, not on {host}"]
        )
    return KeyRing(callers)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
