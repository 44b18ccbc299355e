"""Motion JPEG over HTTP, in the dialects that cameras speak."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from services.capture.sources.http import Unsuited, answer
from services.capture.sources.multipart import Still, stills
from services.capture.sources.picture import Picture, SourceLost
from services.capture.sources.stream import StreamSource
from shared.adapters.clock import SystemClock
from shared.domain.errors import BadInput
from shared.wire.frames import whole_jpeg
from tests.support.pictures import numbered_jpeg
from tests.support.twins import SimulatedClock
from tests.support.waiting import WAIT_SECONDS

FRAMES = [numbered_jpeg(n) for n in range(12)]
Film = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def camera(
    film: Film, status: int = 200, kind: str = "multipart/x-mixed-replace; boundary=frame"
) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            film(self)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}/video.mjpg?stream=1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def plain(handler: BaseHTTPRequestHandler) -> None:
    for frame in FRAMES:
        handler.wfile.write(
            b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(frame)
        )
        handler.wfile.write(frame + b"\r\n")


def other_case_and_more_headers(handler: BaseHTTPRequestHandler) -> None:
    for frame in FRAMES:
        head = b"\n--frame\nX-Timestamp: 1\ncontent-length:%d\nContent-type: image/jpeg\n\n" % len(
            frame
        )
        handler.wfile.write(head + frame)


def without_lengths(handler: BaseHTTPRequestHandler) -> None:
    for frame in FRAMES:
        handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + frame + b"\r\n")


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(
        b"--frame\r\nContent-Length: %d\r\n\r\n" % len(FRAMES[0]) + FRAMES[0] + b"\r\n"
    )
    handler.wfile.write(b"--frame\r\nContent-Length: %d\r\n\r\n" % len(FRAMES[1]) + FRAMES[1][:100])


def nothing(_: BaseHTTPRequestHandler) -> None:
    return


def absurd(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"--frame\r\nContent-Length: 99999999999\r\n\r\n")


def read(pictures: Iterator[Still]) -> tuple[list[bytes], str]:
    found: list[bytes] = []
    try:
        found.extend(picture.jpeg for picture in pictures)
    except SourceLost as lost:
        return found, lost.message
    raise AssertionError("it ended without a word")


@pytest.mark.parametrize("film", [plain, other_case_and_more_headers])
def test_pictures_come_as_they_were_sent(film: Film) -> None:
    with camera(film) as address:
        found, message = read(stills(f"http://{address}", 2))
    assert found == FRAMES
    assert "ended" in message


@pytest.mark.parametrize("size", [7, 4096, 10**6])
def test_an_answer_in_chunks_is_put_together(size: int) -> None:
    """HTTP/1.1 in chunks that know nothing of the parts."""
    parts = b"".join(
        b"--frame\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(each), each) for each in FRAMES[:3]
    )
    pieces = [parts[at : at + size] for at in range(0, len(parts), size)]
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
            connection.sendall(head + b"".join(chunks) + b"0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        found, _ = read(stills(f"http://127.0.0.1:{server.getsockname()[1]}/", 2))
        thread.join()
    assert found == FRAMES[:3]


def test_a_picture_that_is_cut_off_is_none() -> None:
    with camera(cut_off) as address:
        assert read(stills(f"http://{address}", 2))[0] == FRAMES[:1]


def test_a_length_beyond_all_reason_is_not_waited_for() -> None:
    with camera(absurd) as address:
        assert "over the limit" in read(stills(f"http://{address}", 2))[1]


def test_a_camera_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is shortened when all pictures are there, which may take a while on a busy host."""
    over = threading.Event()
    responses: list[HTTPResponse] = []

    @contextmanager
    def noted(url: str, timeout_s: float) -> Iterator[HTTPResponse]:
        with answer(url, timeout_s) as response:
            responses.append(response)
            yield response

    monkeypatch.setattr("services.capture.sources.multipart.answer", noted)

    def silent(handler: BaseHTTPRequestHandler) -> None:
        plain(handler)
        over.wait(WAIT_SECONDS)

    with camera(silent) as address:
        pictures = stills(f"http://{address}", WAIT_SECONDS)
        assert [next(pictures).jpeg for _ in FRAMES] == FRAMES
        stream: Any = responses[0].fp.raw
        assert stream._sock.gettimeout() == WAIT_SECONDS
        stream._sock.settimeout(0.3)
        assert "TimeoutError" in read(pictures)[1]
        over.set()


def test_basic_authentication() -> None:
    told: list[str | None] = []

    def film(handler: BaseHTTPRequestHandler) -> None:
        told.append(handler.headers["Authorization"])
        plain(handler)

    with camera(film) as address:
        assert read(stills(f"http://user:s%40cret@{address}", 2))[0] == FRAMES
    assert told == ["Basic " + base64.b64encode(b"user:s@cret").decode()]


def test_what_is_not_understood_is_left_to_ffmpeg() -> None:
    """Neither lengths nor a boundary that is told: the pictures still come, undecoded."""
    with camera(without_lengths, kind="multipart/x-mixed-replace") as address:
        # the first line tells the boundary
        assert len(read(stills(f"http://{address}", 2))[0]) == 12
    with camera(plain, kind="video/x-motion-jpeg") as address:
        with pytest.raises(Unsuited):
            next(stills(f"http://{address}", 2))
        pictures = StreamSource(f"http://{address}", 85, SystemClock(), 2.0).pictures()
        assert [whole_jpeg(next(pictures).jpeg()) for _ in range(8)] == FRAMES[:8]


def part(
    body: bytes, kind: str | None = "image/jpeg", length: int | None = None, more: str = ""
) -> bytes:
    told = f"Content-Type: {kind}\r\n" if kind else ""
    size = len(body) if length is None else length
    return f"--frame\r\n{told}{more}Content-Length: {size}\r\n\r\n".encode() + body + b"\r\n"


XML = b"<Event><time>12:00</time></Event>"


@pytest.mark.parametrize(
    "film",
    [
        lambda jpeg: part(b'{"frame": 1}', "application/json") + part(jpeg),
        lambda jpeg: part(jpeg) + part(XML, "text/xml"),
        lambda jpeg: part(b"") + part(jpeg),
        lambda jpeg: part(b"\r\n", None) + part(jpeg, None),
        lambda jpeg: part(XML, None) + part(jpeg, "application/octet-stream"),
        lambda jpeg: part(jpeg, "text/plain"),
        lambda jpeg: part(b"RIFF....WAVE", "audio/wav") + part(jpeg, "IMAGE/JPEG; charset=binary"),
        lambda jpeg: part(jpeg, length=len(jpeg) - 500),
        lambda jpeg: part(jpeg, length=len(jpeg) + 2000),
        lambda jpeg: part(jpeg, length=0),
        lambda jpeg: (
            b"--frame\r\nContent-Type: text/plain\r\n\r\nhello\r\n--frame\r\n\r\n\r\n" + part(jpeg)
        ),
    ],
    ids=[
        "json-first",
        "xml-after",
        "empty",
        "blank-and-no-type",
        "octets",
        "called-text",
        "audio",
        "told-too-short",
        "told-too-long",
        "told-empty",
        "no-lengths",
    ],
)
def test_parts_that_are_no_picture_are_passed_over_and_every_picture_comes(
    film: Callable[[bytes], bytes],
) -> None:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"".join(film(frame) for frame in FRAMES) + b"--frame--\r\n")

    with camera(play) as address:
        assert [whole_jpeg(jpeg) for jpeg in read(stills(f"http://{address}", 2))[0]] == FRAMES


def test_a_damaged_picture_is_passed_on_to_be_counted() -> None:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(
            part(FRAMES[0][:-900]) + part(FRAMES[1]) + part(b"garbage") + part(FRAMES[2])
        )

    with camera(play) as address:
        found = read(stills(f"http://{address}", 2))[0]
    assert (len(found), found[1], found[3]) == (4, FRAMES[1], FRAMES[2])


def test_several_pictures_in_one_part_all_come() -> None:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(
            part(b"".join(FRAMES[:3]) + bytes(300)) + part(bytes(4).join(FRAMES[3:6]))
        )

    with camera(play) as address:
        assert read(stills(f"http://{address}", 2))[0] == FRAMES[:6]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("X-Timestamp: {:.3f}", [50.0, 50.1, 50.2]),
        ("x-timestamp: {:.6f}", [50.0, 50.1, 50.2]),
        ("X-Timestamp: 7", [None, None, None]),  # a number of what?
        ("X-Timestamp: 7.25", [7.25, None, None]),  # a clock that stands
        ("X-Timestamp: yesterday", [None, None, None]),
        ("X-Other: 1", [None, None, None]),
    ],
)
def test_a_parts_own_time_is_taken(header: str, expected: list[float | None]) -> None:
    def play(handler: BaseHTTPRequestHandler) -> None:
        for n, frame in enumerate(FRAMES[:3]):
            handler.wfile.write(part(frame, more=header.format(50 + n / 10) + "\r\n"))

    with camera(play) as address:
        times: list[float | None] = []
        with pytest.raises(SourceLost):
            times.extend(still.source_s for still in stills(f"http://{address}", 2))
        pictures = stills(f"http://{address}", 2)
        assert [next(pictures).source_s for _ in range(3)] == expected


def shots(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(FRAMES[3])


def take(source: StreamSource, count: int) -> list[Picture]:
    pictures = source.pictures()
    return [next(pictures) for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "option", "every_s"),
    [
        ("image/jpeg", "", 1.0),
        ("image/jpeg", "&poll=1", 1.0),
        ("image/jpeg", "&poll=0.5", 0.5),
        ("text/html", "&poll=3", 3.0),
        ("application/octet-stream", "", 1.0),
    ],
)
def test_an_address_that_answers_one_picture_is_asked_again_and_again(
    kind: str, option: str, every_s: float
) -> None:
    clock = SimulatedClock()
    with camera(shots, kind=kind) as address:
        pictures = take(StreamSource(f"http://{address}{option}", 85, clock, 10.0), 5)
    assert [picture.jpeg() for picture in pictures] == [FRAMES[3]] * 5
    assert clock.monotonic() == pytest.approx(4 * every_s)


def test_the_option_poll_is_not_the_cameras() -> None:
    asked: list[str] = []

    def note(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        shots(handler)

    with camera(note, kind="image/jpeg") as address:
        take(StreamSource(f"http://{address}&poll=1&size=2", 85, SimulatedClock()), 2)
    assert asked == ["/video.mjpg?stream=1&size=2"] * 2


def test_a_polled_address_that_answers_no_picture_says_so() -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"<html>log in</html>")

    with camera(page, kind="text/html") as address, pytest.raises(SourceLost, match="no picture"):
        take(StreamSource(f"http://{address}&poll=1", 85, SimulatedClock()), 1)
    for wrong, told in (
        ("poll=often", "not a number"),
        ("poll=0", "outside"),
        ("poll=20", "source_timeout_seconds"),
    ):
        with pytest.raises(BadInput, match=told):
            StreamSource(f"http://127.0.0.1/x?{wrong}", 85, SimulatedClock())


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "text/html"), (200, "text/html"), (401, "text/html")]
)
def test_what_is_no_camera_is_a_lost_source(status: int, kind: str) -> None:
    with camera(nothing, status, kind) as address, pytest.raises(SourceLost):
        next(StreamSource(f"http://user:secretword@{address}", 85, SystemClock()).pictures())


@pytest.mark.parametrize("address", ["127.0.0.1:99999/video", "[::1/video", "127.0.0.1:1/video"])
def test_an_address_that_is_none_is_a_lost_source(address: str) -> None:
    with pytest.raises(SourceLost) as lost:
        next(StreamSource(f"http://user:secretword@{address}", 85, SystemClock()).pictures())
    assert "secretword" not in lost.value.message
