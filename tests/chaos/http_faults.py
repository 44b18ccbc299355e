"""An HTTP proxy before the S3 server that answers 500, 503, half a body, or nothing, on command."""

from __future__ import annotations

import http.client
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_SECONDS = 40.0
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection"}


@dataclass
class HttpFaults:
    """One proxy. fault: none, 500, 503, hang or truncate; share: of the requests that meet it;
    seen: how many did.
    """

    target: tuple[str, int]
    fault: str = "none"
    share: float = 1.0
    seen: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        faults = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def handle(self) -> None:
                with suppress(OSError):  # whoever asked has hung up
                    super().handle()

            def _any(self) -> None:
                faults.handle(self)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _any  # noqa: N815 - names of the base class

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Pass a request on, or do it the fault."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self.fault if self.fault != "none" and self.chance.random() < self.share else "none"
        self.seen += fault != "none"
        if fault in {"500", "503"}:
            code = "InternalError" if fault == "500" else "SlowDown"
            self._answer(
                request,
                int(fault),
                [("Content-Type", "application/xml")],
                f"<Error><Code>{code}</Code></Error>".encode(),
            )
            return
        if fault == "hang":
            until = time.monotonic() + HANG_SECONDS
            while self.fault == "hang" and time.monotonic() < until:
                time.sleep(0.05)
            request.close_connection = True
            return
        status, headers, answer = self._forward(request, body)
        self._answer(
            request, status, headers, answer, cut=fault == "truncate" and request.command == "GET"
        )

    def _forward(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(*self.target, timeout=60)
        try:
            connection.putrequest(
                request.command, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
            return answer.status, headers, answer.read()
        except OSError:
            return 502, [], b""
        finally:
            connection.close()

    def _answer(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes,
        *,
        cut: bool = False,
    ) -> None:
        request.send_response_only(status)
        for name, value in headers:
            if request.command == "HEAD" or name.lower() != "content-length":
                request.send_header(name, value)
        if request.command != "HEAD":
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            request.close_connection = True
