"""What proxies say of their clients: read strictly, and only from a trusted proxy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.datastructures import Headers

MOST_HOPS = 64
LONGEST_NAME = 128
# What proxies, and the networks before them, add to a request that they pass on: it speaks for
# somebody else.
_MARK = re.compile(
    r".*forwarded.*|.*client[-_]?ip|.*connecting-ip|via|x-real-ip|cdn-loop|x-original-.*|x-envoy-.*|x-amzn-.*|x-azure-.*|"
    r"cf-.*|fastly-.*|fly-.*|tailscale-.*"
)
_HOP = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|([0-9.]+)(?::\d{1,5})?|([0-9A-Fa-f:.]+)")
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f,]+")


class Unreadable(ValueError):
    """A proxy's header that says nothing, or two things."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The networks of trusted proxies."""

    networks: Sequence[IPv4Network | IPv6Network]

    def trusted(self, address: str) -> bool:
        """Returns whether a trusted proxy has this address."""
        try:
            return any(ip_address(address) in network for network in self.networks)
        except ValueError:
            return False

    def client(self, headers: Headers, peer: str) -> str:
        """Returns the client's address: the nearest hop of X-Forwarded-For that is no trusted
        proxy. Raises Unreadable. Several lines are one list (RFC 9110, 5.3): a proxy may add a line
        of its own after the client's.
        """
        hops = [
            hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")
        ]
        for hop in reversed(hops[-MOST_HOPS:]):
            address = _address(hop)
            if not self.trusted(address):
                return address
        return peer


def is_forwarded(headers: Headers) -> bool:
    """Returns whether a header of the request says that it was forwarded."""
    return any(_MARK.fullmatch(name) for name in headers)


def is_secure(headers: Headers) -> bool:
    """Returns whether the client asked the nearest proxy over TLS."""
    said = [
        word.strip().lower()
        for line in headers.getlist("x-forwarded-proto")
        for word in line.split(",")
    ]
    return bool(said) and said[-1] == "https"


def one_word(headers: Headers, name: str) -> str | None:
    """Returns the word of an identity header, or None where it is absent or empty.

    Raises Unreadable for several words or none.
    """
    lines = headers.getlist(name)
    if len(lines) > 1:
        raise Unreadable(f"{name} comes {len(lines)} times")
    if not lines or not lines[0].strip():
        return None
    try:
        word = lines[0].encode("latin-1").decode().strip()
    except UnicodeError as error:
        raise Unreadable(f"{name} is not UTF-8") from error
    if len(word) > LONGEST_NAME or _NAME.fullmatch(word) is None:
        raise Unreadable(
            f"{name} is not one word: control characters, a comma, or over {LONGEST_NAME} characters"
        )
    return word


def _address(hop: str) -> str:
    found = _HOP.fullmatch(hop)
    try:
        return str(ip_address((found[1] or found[2] or found[3]) if found else ""))
    except ValueError as error:
        raise Unreadable("X-Forwarded-For holds something that is no address") from error
