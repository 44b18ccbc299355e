"""Cameras for benchmarks: processes of their own that deliver ready frames and cost next to
nothing.
"""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

from benchmarks.rtsp_cameras import serve_rtsp
from platereel.embedded.processes import free_ports

_SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def mjpeg_cameras(frames: Sequence[bytes], fps: float) -> Iterator[str]:
    """A server whose every path is a Motion JPEG camera; its address."""
    with _serving(_serve_mjpeg, frames, fps) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def rtsp_cameras(packets: Sequence[bytes], fps: int) -> Iterator[str]:
    """A server whose every path is an RTSP camera that sends H.264 packets over and over; its
    address.
    """
    with _serving(serve_rtsp, packets, fps) as port:
        yield f"rtsp://127.0.0.1:{port}"


@contextmanager
def _serving(serve: Callable[..., None], frames: Sequence[bytes], fps: float) -> Iterator[int]:
    """A process that serves the frames; its port, once it listens."""
    (port,) = free_ports(1)
    process = _SPAWN.Process(target=serve, args=(port, list(frames), fps), daemon=True)
    process.start()
    try:
        _wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.join()


def _serve_mjpeg(port: int, frames: list[bytes], fps: float) -> None:
    parts = [
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n"
        % (len(frame), frame)
        for frame in frames
    ]

    def film(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        )
        began, number = time.perf_counter(), 0
        try:
            while True:
                time.sleep(max(0.0, began + number / fps - time.perf_counter()))
                connection.sendall(parts[number % len(parts)])
                number += 1
        except OSError:
            connection.close()

    with socket.create_server(("127.0.0.1", port), backlog=512) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=film, args=(connection,), daemon=True).start()


def h264_packets(
    frames: Sequence[bytes], width: int, height: int, fps: int, gop: int, crf: int = 23
) -> list[bytes]:
    """The frames as a camera's H.264: a keyframe every `gop` frames, no B-frames, limited range."""
    encoder, decoder = av.CodecContext.create("libx264", "w"), av.CodecContext.create("mjpeg", "r")
    if not isinstance(encoder, VideoCodecContext):
        raise TypeError("libx264 is not a video encoder")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.thread_count = Fraction(1, fps), Fraction(fps), 1
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "g": str(gop),
        "bf": "0",
        "crf": str(crf),
    }
    packets = []
    for number, jpeg in enumerate(frames):
        (picture,) = decoder.decode(av.Packet(jpeg))
        picture.pts, picture.time_base = number, Fraction(1, fps)
        picture.pict_type = 0
        packets += [bytes(packet) for packet in encoder.encode(picture)]
    return packets + [bytes(packet) for packet in encoder.encode(None)]


def _wait_for_port(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("a camera did not start")
