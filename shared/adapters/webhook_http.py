"""Requests to webhooks: to the address that was checked, over the time that is given, and nowhere else."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

import urllib3

from shared.domain.errors import BadInput, Retryable

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0


class WebhookHttp:
    """Implements the port `Poster`. No redirect is followed, no proxy of the environment is used."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, private: bool) -> int:
        """See the port. The name is resolved once, and what was checked is what is connected to."""
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        address = _address(host, port, private=private)
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        sent = {**headers, "Host": parts.netloc.rpartition("@")[2]}
        pool = (
            urllib3.HTTPSConnectionPool(address, port, timeout=timeout, server_hostname=host, assert_hostname=host)
            if secure
            else urllib3.HTTPConnectionPool(address, port, timeout=timeout)
        )
        try:
            # What it answers beside its status is not read: it may be endless.
            answer = pool.request(
                "POST", target, body=body, headers=sent, retries=False, redirect=False, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise Retryable(f"{host} does not answer: {type(error).__name__}") from error
        finally:
            pool.close()
        answer.close()
        return answer.status


def _address(host: str, port: int, *, private: bool) -> str:
    """An address of the host; BadInput when any of them is not public and need not be called."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise Retryable(f"{host} has no address") from error
    inner = sorted(address for address in found if not ip_address(address.partition("%")[0]).is_global)
    if inner and not private:
        raise BadInput("url", f"{host} is an address of a private network; private: true allows it")
    return min(found)
