"""Why a Redis does not answer, in words that contain nothing of its URL."""

from __future__ import annotations

import re
import socket
import ssl

import redis

_PLACE = re.compile(r"(?:connecting to|reading from|writing to) (\S+?:\d+)")


def reason(error: BaseException) -> str:
    """Returns what to say after the name of the server."""
    below = error.__context__
    text = str(error)
    if isinstance(error, redis.exceptions.AuthenticationError):
        return _refusal(text)
    if isinstance(error, redis.exceptions.InvalidResponse):
        return "does not answer as a Redis does: is this its port?"
    if isinstance(below, ssl.SSLCertVerificationError):
        return "shows a certificate that is not trusted: ?ssl_ca_certs names its authority's"
    if isinstance(below, ssl.SSLError) or "handshake" in str(below):
        return "does not answer with TLS: one without it is addressed as redis://"
    if isinstance(below, socket.gaierror):
        return "cannot be found: its host name does not resolve"
    if isinstance(below, ConnectionRefusedError):
        return "does not answer: nothing listens at its host and port"
    if isinstance(below, FileNotFoundError):
        return "is asked with a file of certificates that is not there"
    if isinstance(below, ConnectionResetError) or "closed by server" in text:
        return "does not answer: it ended the connection (one that wants TLS is addressed as rediss://)"
    if isinstance(error, redis.exceptions.TimeoutError):
        return "does not answer in time"
    return f"does not answer: {type(error).__name__}"


def _refusal(text: str) -> str:
    if "without any password" in text:
        return "wants no password, and is given one"
    return (
        "wants a password, and is given none"
        if "required" in text
        else "refuses the user name or the password"
    )


def place(error: BaseException) -> dict[str, object]:
    """Returns host and port, as far as the client knows them."""
    found = _PLACE.search(str(error))
    return {} if found is None else {"at": found[1]}
