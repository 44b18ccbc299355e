"""Cameras that ask for a password get the one that was meant, whatever characters it has."""

from __future__ import annotations

import base64
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from services.capture.sources.picture import SourceLost
from services.capture.sources.stream import StreamSource
from shared.adapters.clock import SystemClock
from shared.wire.urls import encoded
from tests.support.pictures import numbered_jpeg

PASSWORD = "p@ss/w#rd%1?&=:ü +"
PLACES = (
    ("http://admin:{}@HOST/x", "basic"),
    ("http://admin:{}@HOST/x", "digest"),
    ("http://HOST/x?pass={}&n=1", "query"),
    ("http://HOST/password={}_channel=1", "path"),
)


def filled(template: str, host: str) -> str:
    before, after = template.replace("HOST", host).split("{}")
    return before + encoded(PASSWORD, before, after) + after


def digest_is_right(method: str, header: str) -> bool:
    told = dict(re.findall(r'(\w+)="([^"]*)"', header))

    def hashed(text: str) -> str:
        return md5(text.encode(), usedforsecurity=False).hexdigest()

    secret = hashed(f"admin:gate:{PASSWORD}")
    return bool(
        told["response"] == hashed(f"{secret}:{told['nonce']}:{hashed(method + ':' + told['uri'])}")
    )


def basic_is_right(header: str) -> bool:
    return header == "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()


@contextmanager
def http_camera(kind: str) -> Iterator[str]:
    """A camera that gives a picture to whom knows the password."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            header, address = self.headers.get("Authorization", ""), urlsplit(self.path)
            right = {
                "basic": basic_is_right(header),
                "digest": header.startswith("Digest") and digest_is_right("GET", header),
                "query": parse_qs(address.query).get("pass") == [PASSWORD],
                "path": unquote(address.path) == f"/password={PASSWORD}_channel=1",
            }[kind]
            self.send_response(200 if right else 401)
            if right:
                self.send_header("Content-Type", "image/jpeg")
            elif kind == "digest":
                self.send_header("WWW-Authenticate", 'Digest realm="gate", nonce="1"')
            else:
                self.send_header("WWW-Authenticate", 'Basic realm="gate"')
            body = numbered_jpeg(7) if right else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, answering(server):
        yield f"127.0.0.1:{server.server_address[1]}"


@contextmanager
def answering(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("template", "kind"), PLACES)
def test_an_http_camera(template: str, kind: str) -> None:
    with http_camera(kind) as host:
        picture = next(StreamSource(filled(template, host), 90, SystemClock(), 5).pictures())
        assert picture.jpeg() == numbered_jpeg(7)


@contextmanager
def rtsp_door(challenge: str, asked: list[str]) -> Iterator[str]:
    """An RTSP server that asks for a password, notes what it gets, and has no stream."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while lines := self.lines():
                headers = dict(line.split(": ", 1) for line in lines[1:])
                method, number = lines[0].split(" ", 1)[0], headers["CSeq"]
                status = "200 OK"
                if method == "DESCRIBE" and "Authorization" in headers:
                    asked.append(headers["Authorization"])
                    status = "404 Not Found"
                elif method == "DESCRIBE":
                    status = f"401 Unauthorized\r\nWWW-Authenticate: {challenge}"
                self.wfile.write(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n\r\n".encode())

        def lines(self) -> list[str]:
            return (
                [line.decode().strip() for line in iter(self.rfile.readline, b"\r\n") if line]
                if self.more()
                else []
            )

        def more(self) -> bool:
            return bool(self.rfile.peek(1))  # type: ignore[attr-defined]

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

    with Server(("127.0.0.1", 0), Handler) as server, answering(server):
        address: Any = server.server_address
        yield f"127.0.0.1:{address[1]}"


@pytest.mark.parametrize("challenge", ['Basic realm="gate"', 'Digest realm="gate", nonce="1"'])
def test_an_rtsp_camera(challenge: str) -> None:
    asked: list[str] = []
    with rtsp_door(challenge, asked) as host:
        source = StreamSource(filled("rtsp://admin:{}@HOST/stream", host), 90, SystemClock(), 5)
        with pytest.raises(SourceLost) as lost:
            next(source.pictures())
    assert asked
    basic = challenge.startswith("Basic")
    assert basic_is_right(asked[0]) if basic else digest_is_right("DESCRIBE", asked[0])
    assert all(piece not in str(lost.value) for piece in ("p@ss", "p%40ss"))
