"""One request to a camera: HTTP or HTTPS, without or with basic authentication.

FFmpeg does the rest.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from services.capture.sources.picture import SourceLost

_OK = 200


class Unsuited(Exception):
    """The camera needs something that this client does not do."""


@contextmanager
def answer(url: str, timeout_s: float) -> Iterator[HTTPResponse]:
    """Yields the answer to a GET.

    Raises Unsuited unless it is 200, SourceLost when it does not come or breaks off.
    """
    try:
        address = urlsplit(url)
        with (
            closing(_connection(address, timeout_s)) as connection,
            closing(_request(connection, address)) as response,
        ):
            if response.status != _OK:
                raise Unsuited
            yield response
    except (OSError, HTTPException, ValueError) as error:  # ValueError: an address that is none
        raise SourceLost(f"the camera cannot be read: {type(error).__name__}") from error


def _connection(address: SplitResult, timeout_s: float) -> HTTPConnection:
    if address.scheme == "https":
        # Cameras sign their certificates themselves; FFmpeg does not verify them either.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        return HTTPSConnection(
            address.hostname or "", address.port, timeout=timeout_s, context=context
        )
    return HTTPConnection(address.hostname or "", address.port, timeout=timeout_s)


def _request(connection: HTTPConnection, address: SplitResult) -> HTTPResponse:
    path = address.path or "/"
    wanted = f"{path}?{address.query}" if address.query else path
    connection.request("GET", wanted, headers=_authorization(address))
    return connection.getresponse()


def _authorization(address: SplitResult) -> dict[str, str]:
    if address.username is None:
        return {}
    secret = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
