"""A real-time RTSP camera with numbered pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import av

from tests.support.h264 import FPS, camera_encoder
from tests.support.pictures import numbered_picture
from tests.support.rtsp_tcp import TcpCamera, serving


class Film:
    """An RTSP camera over TCP with a running number, and when it sent which.

    pix_fmt: of its pictures; where that is changed, it drops its clients and begins anew.
    """

    def __init__(self, gop: int) -> None:
        self.camera, self.gop, self.pix_fmt = TcpCamera(), gop, "yuv420p"
        self.sent: list[tuple[float, int]] = []

    def run(self, done: threading.Event) -> None:
        codec, made, number, began = camera_encoder(self.gop), "yuv420p", 0, time.monotonic()
        while not done.wait(max(0.0, began + number / FPS - time.monotonic())):
            if made != self.pix_fmt:
                self.camera.drop()
                made, codec = self.pix_fmt, camera_encoder(self.gop, pix_fmt=self.pix_fmt)
            picture = av.VideoFrame.from_ndarray(numbered_picture(number), format="bgr24")
            picture.pts = number
            for packet in codec.encode(picture):
                self.camera.send(bytes(packet), number / FPS)
            self.sent.append((time.time(), number))
            number += 1


@contextmanager
def filming(gop: int = 30) -> Iterator[tuple[str, Film]]:
    """Run a camera with a keyframe every `gop` pictures; its address."""
    film, done = Film(gop), threading.Event()
    thread = threading.Thread(target=film.run, args=(done,), daemon=True)
    with serving(film.camera) as url:
        thread.start()
        try:
            yield url, film
        finally:
            done.set()
            thread.join()
