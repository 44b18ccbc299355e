"""Connections to an S3 store, with separate limits for connecting, for sending and for an answer.

urllib3 keeps the connect limit on the socket while it sends a body, and one `sendall` counts it for
the whole body: two seconds for a clip, however fast it goes. Here a body is sent in pieces, and
each has the sending limit. So an upload is limited by a stretch without progress, and by nothing
else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

PATIENCE_SECONDS, CONNECT_SECONDS = 30.0, 2.0
PIECE_BYTES = 1 << 16
SLOWEST_BYTES_PER_SECOND, LONGEST_ON_ITS_WAY_SECONDS = 500_000, 80.0
_AGAIN = [500, 502, 503, 504]
_now = threading.local()


def _sending_seconds() -> float:
    """Returns how long (s) a piece of this thread's request may take."""
    return float(getattr(_now, "patience_s", PATIENCE_SECONDS))


class _Connection(HTTPConnection):
    def endheaders(self, *given: Any, **named: Any) -> None:
        """Connected, and the header is out: from here on it is sending."""
        super().endheaders(*given, **named)
        self.sock.settimeout(_sending_seconds())


class _SecureConnection(HTTPSConnection):
    def endheaders(self, *given: Any, **named: Any) -> None:
        super().endheaders(*given, **named)
        self.sock.settimeout(_sending_seconds())


class _Plain(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _Secure(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class S3Pool(urllib3.PoolManager):
    """Connecting may take 2 s, sending and answers `patience_s` without progress.

    Two more tries, unless told otherwise. With a patience_s below the usual, the caller itself
    waits, and there is time for one try only.
    """

    def __init__(self, patience_s: float = PATIENCE_SECONDS) -> None:
        super().__init__(maxsize=8, blocksize=PIECE_BYTES)
        self.pool_classes_by_scheme = {"http": _Plain, "https": _Secure}
        self._patience_s = patience_s

    @contextmanager
    def patience(self, seconds: float | None) -> Iterator[None]:
        """Requests of this thread wait `seconds` for progress, and are tried once."""
        _now.patience_s = self._patience_s if seconds is None else min(seconds, self._patience_s)
        _now.once = seconds is not None
        try:
            yield
        finally:
            del _now.patience_s, _now.once

    def limits(self, sent_bytes: int) -> urllib3.Timeout:
        """Returns the limits of connecting, and of waiting for the answer to a body of so many
        bytes. What the system or a proxy took at once may still be on its way over a slow line, and
        nothing shows its progress. So the answer to a large body may take longer.
        """
        patience_s = float(getattr(_now, "patience_s", self._patience_s))
        on_its_way_s = min(LONGEST_ON_ITS_WAY_SECONDS, sent_bytes / SLOWEST_BYTES_PER_SECOND)
        return urllib3.Timeout(
            connect=min(CONNECT_SECONDS, patience_s), read=patience_s + on_its_way_s
        )

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> urllib3.BaseHTTPResponse:
        """One request with the limits of the moment; sent_bytes: how large its body is."""
        tries = 1 if getattr(_now, "once", False) or self._patience_s < PATIENCE_SECONDS else 3
        kw["timeout"] = self.limits(int(kw.pop("sent_bytes", 0)))
        kw.setdefault(
            "retries",
            urllib3.Retry(
                total=tries - 1, backoff_factor=0.2, status_forcelist=_AGAIN, raise_on_status=False
            ),
        )
        return super().urlopen(method, url, redirect, **kw)
