"""Motion JPEG over HTTP, in the dialects that cameras speak."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.capture.sources import stream
from services.capture.sources.multipart import Unsuited, jpegs
from services.capture.sources.picture import SourceLost
from services.capture.sources.stream import StreamSource
from tests.support.pictures import numbered_jpeg

FRAMES = [numbered_jpeg(n) for n in range(12)]
Film = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def camera(film: Film, status: int = 200, kind: str = "multipart/x-mixed-replace; boundary=frame") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            film(self)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}/video.mjpg?stream=1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def plain(handler: BaseHTTPRequestHandler) -> None:
    for frame in FRAMES:
        handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(frame))
        handler.wfile.write(frame + b"\r\n")


def other_case_and_more_headers(handler: BaseHTTPRequestHandler) -> None:
    for frame in FRAMES:
        head = b"\n--frame\nX-Timestamp: 1\ncontent-length:%d\nContent-type: image/jpeg\n\n" % len(frame)
        handler.wfile.write(head + frame)


def without_lengths(handler: BaseHTTPRequestHandler) -> None:
    for frame in FRAMES:
        handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + frame + b"\r\n")


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"--frame\r\nContent-Length: %d\r\n\r\n" % len(FRAMES[0]) + FRAMES[0] + b"\r\n")
    handler.wfile.write(b"--frame\r\nContent-Length: %d\r\n\r\n" % len(FRAMES[1]) + FRAMES[1][:100])


def nothing(_: BaseHTTPRequestHandler) -> None:
    return


def absurd(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"--frame\r\nContent-Length: 99999999999\r\n\r\n")


def read(pictures: Iterator[bytes]) -> tuple[list[bytes], str]:
    found: list[bytes] = []
    try:
        for picture in pictures:
            found.append(picture)  # noqa: PERF402 - what came before the loss is wanted
    except SourceLost as lost:
        return found, lost.message
    raise AssertionError("it ended without a word")


@pytest.mark.parametrize("film", [plain, other_case_and_more_headers])
def test_pictures_come_as_they_were_sent(film: Film) -> None:
    with camera(film) as address:
        found, message = read(jpegs(f"http://{address}", 2))
    assert found == FRAMES
    assert "ended" in message


def test_a_picture_that_is_cut_off_is_none() -> None:
    with camera(cut_off) as address:
        assert read(jpegs(f"http://{address}", 2))[0] == FRAMES[:1]


def test_a_length_beyond_all_reason_is_not_waited_for() -> None:
    with camera(absurd) as address:
        assert "over the limit" in read(jpegs(f"http://{address}", 2))[1]


def test_a_camera_that_falls_silent_is_lost() -> None:
    over = threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        plain(handler)
        over.wait(10)

    with camera(silent) as address:
        found, message = read(jpegs(f"http://{address}", 0.3))
        over.set()
    assert found == FRAMES
    assert "TimeoutError" in message


def test_basic_authentication() -> None:
    told: list[str | None] = []

    def film(handler: BaseHTTPRequestHandler) -> None:
        told.append(handler.headers["Authorization"])
        plain(handler)

    with camera(film) as address:
        assert read(jpegs(f"http://user:s%40cret@{address}", 2))[0] == FRAMES
    assert told == ["Basic " + base64.b64encode(b"user:s@cret").decode()]


def test_what_is_not_understood_is_left_to_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lengths: the pictures still come, undecoded."""
    monkeypatch.setattr(stream, "READ_SECONDS", 2.0)
    with camera(without_lengths) as address:
        with pytest.raises(Unsuited):
            next(jpegs(f"http://{address}", 2))
        pictures = StreamSource(f"http://{address}", 85).pictures()
        assert [next(pictures).jpeg() for _ in range(8)] == FRAMES[:8]


@pytest.mark.parametrize(("status", "kind"), [(404, "text/html"), (200, "text/html"), (401, "text/html")])
def test_what_is_no_camera_is_a_lost_source(status: int, kind: str) -> None:
    with camera(nothing, status, kind) as address, pytest.raises(SourceLost):
        next(StreamSource(f"http://user:secretword@{address}", 85).pictures())


@pytest.mark.parametrize("address", ["127.0.0.1:99999/video", "[::1/video", "127.0.0.1:1/video"])
def test_an_address_that_is_none_is_a_lost_source(address: str) -> None:
    with pytest.raises(SourceLost) as lost:
        next(StreamSource(f"http://user:secretword@{address}", 85).pictures())
    assert "secretword" not in lost.value.message
