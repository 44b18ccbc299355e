"""A real RTSP server with numbered H.264: the camera's own pictures, in order, with the camera's
own times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import av
import pytest
import rtsp
from av.video.codeccontext import VideoCodecContext

from platereel.embedded.processes import free_ports
from services.capture.sources.picture import Picture
from services.capture.sources.stream import StreamSource
from shared.adapters.clock import SystemClock
from tests.support.numbers import number_of_jpeg
from tests.support.pictures import numbered_picture

FPS = 15


def encoder() -> VideoCodecContext:
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = 320, 180, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FPS), Fraction(FPS)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5", "crf": "18"}
    return codec


@pytest.fixture
def rtsp_url() -> Iterator[str]:
    """An RTSP camera (UDP only, so the refusal of TCP is part of the test)."""
    (port,) = free_ports(1)
    server = rtsp.Server(f"127.0.0.1:{port}")
    server.start()
    done = threading.Event()

    def film() -> None:
        codec, number = encoder(), 0
        while not done.wait(1 / FPS):
            picture = av.VideoFrame.from_ndarray(numbered_picture(number), format="bgr24")
            picture.pts = number
            number += 1
            for packet in codec.encode(picture):
                server.send_frame(bytes(packet), 90_000 // FPS)

    thread = threading.Thread(target=film, daemon=True)
    thread.start()
    yield f"rtsp://127.0.0.1:{port}/stream"
    done.set()
    thread.join()
    server.stop()


def test_an_rtsp_camera_delivers_its_pictures(rtsp_url: str) -> None:
    taken: list[Picture] = []
    began = time.monotonic()
    for picture in StreamSource(rtsp_url, 90, SystemClock()).pictures():
        taken.append(picture)
        if len(taken) == 40 or time.monotonic() - began > 30:
            break
    numbers = [number_of_jpeg(picture.jpeg()) for picture in taken]
    read = [n for n in numbers if n is not None]
    assert len(read) >= 38
    assert all(b - a == 1 for a, b in pairwise(read[2:]))
    times = [picture.source_s for picture in taken if picture.source_s is not None]
    assert all(abs(b - a - 1 / FPS) < 0.02 for a, b in pairwise(times[2:]))
