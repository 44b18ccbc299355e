"""Bare loops that do what capture does and nothing else: receive a camera's stream, XADD each
picture. A thread a camera, in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import av
import cv2
import redis

JPEG_QUALITY, KEPT = 85, 32
_SPAWN = multiprocessing.get_context("spawn")
_LENGTH = b"content-length:"

Loop = Callable[[str, str, redis.Redis], None]


@contextmanager
def running(loop: Loop, cameras: Mapping[str, str], server: str) -> Iterator[int]:
    """The process id of a process that runs `loop` for each camera.

    cameras: the address of a camera, by the key of the stream its pictures go to.
    """
    process = _SPAWN.Process(target=_run, args=(loop, dict(cameras), server), daemon=True)
    process.start()
    try:
        yield process.pid or 0
    finally:
        process.terminate()
        process.join()


def _run(loop: Loop, cameras: dict[str, str], server: str) -> None:
    threads = []
    for key, source in cameras.items():
        client: redis.Redis = redis.Redis.from_url(server, protocol=2)
        threads.append(threading.Thread(target=loop, args=(source, key, client)))
    for thread in threads:
        thread.start()


def receive(source: str, key: str, client: redis.Redis) -> None:
    """Motion JPEG over HTTP: a buffered socket, parts by their Content-Length."""
    address = urlsplit(source)
    with (
        socket.create_connection((address.hostname or "", address.port or 80)) as connection,
        connection.makefile("rb") as stream,
    ):
        connection.sendall(f"GET {address.path} HTTP/1.0\r\n\r\n".encode())
        length = 0
        for line in iter(stream.readline, b""):
            if line.lower().startswith(_LENGTH):
                length = int(line[len(_LENGTH) :])
            elif length and not line.strip():
                client.xadd(key, {"j": stream.read(length)}, maxlen=KEPT)
                length = 0


def decode(source: str, key: str, client: redis.Redis) -> None:
    """RTSP: PyAV decodes on one thread, OpenCV encodes."""
    with av.open(source, options={"rtsp_transport": "tcp"}) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for frame in container.decode(stream):
            image = frame.to_ndarray(format="bgr24")
            _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            client.xadd(key, {"j": data.tobytes()}, maxlen=KEPT)
