"""Access tokens of an identity provider: signed JWTs, checked with the keys that it publishes
(JWKS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from shared.domain.access import Caller, Role
from shared.domain.errors import Retryable

UNASKED_CAMERAS = "cameras"
TIMEOUT_SECONDS, KEYS_KEPT_SECONDS, LEEWAY_SECONDS = 3, 300, 10
# Only signatures by a private key: with a shared secret, or none, every reader of a public key
# could sign.
ALGORITHMS = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token must be for (issuer, audience), and which claims name, role and cameras are.

    cameras: the claim that a token needs to see any camera. None: a token that has the claim
    `cameras` is limited by it.
    """

    issuer: str
    audience: str
    name: str = "sub"
    role: str = "role"
    cameras: str | None = None


class JwtTokens:
    """Implements the port `Tokens`. Keys are fetched when first needed, and when a token names an
    unknown one.
    """

    def __init__(self, jwks_url: str, claims: Claims) -> None:
        self._claims = claims
        self._keys = jwt.PyJWKClient(
            jwks_url, cache_keys=True, lifespan=KEYS_KEPT_SECONDS, timeout=TIMEOUT_SECONDS
        )

    def caller(self, token: str) -> Caller | None:
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            found: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._claims.audience,
                issuer=self._claims.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise Retryable("the identity provider does not answer") from error
        except jwt.PyJWTError:
            return None
        return self._of(found)

    def _of(self, found: Mapping[str, Any]) -> Caller | None:
        """Returns the caller whom a token's claims describe; None without a role of Platereel's."""
        claims = self._claims
        name, roles = _at(found, claims.name), _at(found, claims.role)
        known = [Role.named(role) for role in _list(roles) if role in {str(each) for each in Role}]
        if not known or not isinstance(name, str):
            return None
        return Caller(name, max(known), self._scope(found))

    def _scope(self, found: Mapping[str, Any]) -> frozenset[str] | None:
        """Returns the token's cameras, None for all.

        Providers omit empty claims, so a missing claim means none where one is configured.
        """
        given = _at(found, self._claims.cameras or UNASKED_CAMERAS)
        if given is None and self._claims.cameras is None:
            return None
        return frozenset(_list(given))


def _at(found: Mapping[str, Any], path: str) -> Any:
    """Returns a claim, by a path with dots such as `realm_access.roles`."""
    value: Any = found
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _list(value: Any) -> Sequence[str]:
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
