"""Requests to webhooks: only to the address that was checked, and only for the time that is
given.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import urllib3

from shared.domain.errors import BadInput, Retryable

# Addresses that hold an IPv4 address for a gateway to unwrap: NAT64 (RFC 6052, 8215), 6to4, Teredo,
# and the compatible ones of old; and the site's own ones of old, which nobody may route.
_NETWORKS = ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10")
NOT_PUBLIC = [ip_network(each) for each in _NETWORKS]
BROADCAST = ip_address("255.255.255.255")
CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0


class HttpWebhooks:
    """Implements the port `WebhookSender`.

    Follows no redirect and uses no proxy of the environment.
    """

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, private: bool) -> int:
        """The name is resolved once, and the address that was checked is connected to."""
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        address = checked_address(host, port, private=private)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        sent = {**headers, "Host": parts.netloc.rpartition("@")[2]}
        pool = (
            urllib3.HTTPSConnectionPool(
                address, port, timeout=timeout, server_hostname=host, assert_hostname=host
            )
            if secure
            else urllib3.HTTPConnectionPool(address, port, timeout=timeout)
        )
        try:
            # What it answers beside its status is not read: it may be endless.
            answer = pool.request(
                "POST",
                target,
                body=body,
                headers=sent,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Retryable(f"{host} does not answer: {type(error).__name__}") from error
        finally:
            pool.close()
        answer.close()
        return answer.status


def checked_address(host: str, port: int, *, private: bool) -> str:
    """Returns an address of the host; raises BadInput when any of its addresses is not public,
    unless private ones are allowed.
    """
    try:
        found = {
            str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        }
    except (OSError, UnicodeError) as error:
        raise Retryable(f"{host} has no address") from error
    if any(_names_nobody(address) for address in found):
        raise BadInput("url", f"{host} is an address that names no host")
    if not private and not all(_is_public(address) for address in found):
        raise BadInput("url", f"{host} is an address of a private network; private: true allows it")
    return min(found)


def _names_nobody(address: str) -> bool:
    """Returns whether an address is for many hosts (multicast, broadcast) or for none."""
    read = _read(address)
    return read.is_multicast or read.is_unspecified or read == BROADCAST


def _is_public(address: str) -> bool:
    """Returns whether an address is public, and wraps no private one that a gateway would
    unwrap.
    """
    read = _read(address)
    return (
        read.is_global
        and not read.is_reserved
        and not any(read in network for network in NOT_PUBLIC)
    )


def _read(address: str) -> IPv4Address | IPv6Address:
    """Returns the address without its zone; the IPv4 address where it is only mapped into IPv6."""
    read = ip_address(address.partition("%")[0])
    return read.ipv4_mapped or read if isinstance(read, IPv6Address) else read
