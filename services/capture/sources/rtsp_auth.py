"""How a camera is told user and password: basic (RFC 7617) or digest (RFC 7616) authentication."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

_PAIR = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_ALGORITHMS: dict[str, Callable[..., hashlib._Hash]] = {
    "MD5": hashlib.md5,
    "SHA-256": hashlib.sha256,
}


def _digest_first(challenge: str) -> bool:
    return not challenge.lower().startswith("digest")


@dataclass(slots=True)
class Credentials:
    """User and password, and what the camera asked them with. Without a user nothing is told."""

    name: str | None = None
    secret: str = field(default="", repr=False)
    _scheme: str = ""
    _asked: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def challenged(self, header: str) -> bool:
        """Take the camera's challenge, one a line.

        Returns False when there is nothing to answer it with: no user, no way that is known, or the
        same challenge again, which means that the password is wrong.
        """
        if self.name is None:
            return False
        for line in sorted(header.split("\n"), key=_digest_first):
            scheme, _, rest = line.strip().partition(" ")
            asked = {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(rest)}
            if scheme.lower() == "digest" and asked.get("algorithm", "MD5").upper() in _ALGORITHMS:
                again = self._scheme == "digest" and asked.get("stale", "").lower() != "true"
                if again and asked.get("nonce") == self._asked.get("nonce"):
                    return False
                self._scheme, self._asked, self._count = "digest", asked, 0
                return True
            if scheme.lower() == "basic":
                again = self._scheme == "basic"
                self._scheme = "basic"
                return not again
        return False

    def authorization(self, method: str, address: str) -> str:
        """Returns the header's value for a request; empty while nothing was asked."""
        if self.name is None or not self._scheme:
            return ""
        if self._scheme == "basic":
            return "Basic " + base64.b64encode(f"{self.name}:{self.secret}".encode()).decode()
        return self._digest(method, address)

    def _digest(self, method: str, address: str) -> str:
        asked = self._asked
        algorithm = asked.get("algorithm", "MD5")
        realm, nonce = asked.get("realm", ""), asked.get("nonce", "")

        def digest(*parts: str) -> str:
            made = _ALGORITHMS[algorithm.upper()](":".join(parts).encode(), usedforsecurity=False)
            return made.hexdigest()

        who, what = digest(self.name or "", realm, self.secret), digest(method, address)
        told = {"username": self.name or "", "realm": realm, "nonce": nonce, "uri": address}
        plain = ""
        if "auth" in [each.strip() for each in asked.get("qop", "").split(",")]:
            self._count += 1
            count, own = f"{self._count:08x}", secrets.token_hex(8)
            told |= {"cnonce": own, "response": digest(who, nonce, count, own, "auth", what)}
            plain = f", qop=auth, nc={count}"
        else:
            told["response"] = digest(who, nonce, what)
        if "opaque" in asked:
            told["opaque"] = asked["opaque"]
        if "algorithm" in asked:
            plain += f", algorithm={algorithm}"
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in told.items()) + plain
