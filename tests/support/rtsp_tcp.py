"""An RTSP camera over TCP that a test directs: it sends what it is given, to all who watch."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from benchmarks.rtsp_cameras import answer_to, rtp_of, sdp_of, units_of
from tests.support.h264 import FPS, Coded

CLOCK_HZ = 90_000


@dataclass
class TcpCamera:
    """`answer` takes a request and returns what the camera says; None: its usual answer.

    packets: makes RTP packets of a picture's units, with a first sequence number and a time.
    """

    packets: Callable[[list[bytes], int, int], bytes] = rtp_of
    answer: Callable[[str], bytes | None] = lambda _: None
    description: str | None = None
    sets: list[bytes] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _watching: list[socket.socket] = field(default_factory=list)
    _sequence: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, packet: bytes, at_s: float) -> int:
        """Send a picture (annex B) of this time. Returns how many watch."""
        units = units_of(packet)
        sets = [unit for unit in units if unit[0] & 0x1F in (7, 8)]
        self.sets = sets or self.sets
        return self.send_raw(self.packets(units, self._sequence, round(at_s * CLOCK_HZ)))

    def send_raw(self, data: bytes) -> int:
        with self._lock:
            self._sequence += 100
            for viewer in list(self._watching):
                with suppress(OSError):
                    viewer.sendall(data)
            return len(self._watching)

    def drop(self) -> None:
        """Lose every connection."""
        with self._lock:
            for viewer in self._watching:
                with suppress(OSError):
                    viewer.shutdown(socket.SHUT_RDWR)
            self._watching.clear()

    def talk(self, connection: socket.socket) -> None:
        """Serve one client until it goes."""
        asked = b""
        with connection, suppress(OSError):
            while got := connection.recv(4096):
                asked += got
                while asked[:1] == b"$" and len(asked) >= 4:
                    asked = asked[4 + int.from_bytes(asked[2:4], "big") :]
                while b"\r\n\r\n" in asked:
                    head, _, asked = asked.partition(b"\r\n\r\n")
                    request = head.decode()
                    self.requests.append(request)
                    usual = answer_to(request, self.description or sdp_of(self.sets))
                    connection.sendall(self.answer(request) or usual)
                    if request.startswith("PLAY "):
                        with self._lock:
                            self._watching.append(connection)
            with self._lock:
                if connection in self._watching:
                    self._watching.remove(connection)


@contextmanager
def serving(camera: TcpCamera) -> Iterator[str]:
    """Serve a camera; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threads.append(
                        threading.Thread(target=camera.talk, args=(connection,), daemon=True)
                    )
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/stream"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            camera.drop()
            accepting.join(5)
            for thread in threads:
                thread.join(5)


@contextmanager
def sending(camera: TcpCamera, packets: Sequence[Coded], speed: float = 20.0) -> Iterator[str]:
    """Let a camera send these packets over and over, faster than it says; its address."""
    camera.sets, done = units_of(packets[0].data)[:2], threading.Event()

    def run() -> None:
        number = 0
        while not done.wait(1 / FPS / speed):
            again, at = divmod(number, len(packets))
            camera.send(packets[at].data, (again * len(packets) + packets[at].pts) / FPS)
            number += 1

    thread = threading.Thread(target=run)
    with serving(camera) as url:
        thread.start()
        try:
            yield url
        finally:
            done.set()
            thread.join()
