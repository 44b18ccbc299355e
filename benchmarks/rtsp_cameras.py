"""RTSP cameras for benchmarks: one process that serves the same packets to hundreds of clients.

It answers as RFC 2326 has it, over TCP alone, and cuts a picture into RTP packets once for all who
see it at the same moment (RFC 6184), so that it costs little beside what is measured.
"""

from __future__ import annotations

import base64
import selectors
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

PAYLOAD_BYTES, FRAME_HEAD = 1400, 4
PHASES = 8  # cameras are not in step with each other
_FU_A = 28
_SETS = (7, 8)
_TYPE, _MARKER = 96, 0x80
# "$", channel, length; then version, marker with type, sequence, timestamp, source (RFC 3550)
_INTERLEAVED, _SOURCE = ">BBHBBHII", 0x504C


@dataclass(slots=True)
class _Viewer:
    """A connection. phase: of its camera, None until it plays."""

    connection: socket.socket
    phase: int | None = None
    asked: bytes = b""
    waiting: bytearray = field(default_factory=bytearray)


def serve_rtsp(port: int, packets: Sequence[bytes], fps: int) -> None:
    """Serve H.264 packets over and over at `fps`, on every path of a port, until the process
    ends.
    """
    units = [units_of(packet) for packet in packets]
    sets = [unit for unit in units[0] if unit[0] & 0x1F in _SETS]
    selector = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", port), backlog=1024) as server:
        server.setblocking(False)
        selector.register(server, selectors.EVENT_READ)
        viewers: dict[socket.socket, _Viewer] = {}
        sequence, began, tick = 0, time.perf_counter(), 0
        while True:
            due = began + tick / (fps * PHASES)
            for key, _ in selector.select(max(0.0, due - time.perf_counter())):
                if key.fileobj is server:
                    connection, _ = server.accept()
                    viewers[connection] = _Viewer(connection)
                    selector.register(connection, selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket) and not _talk(
                    viewers[key.fileobj], sets, len(viewers)
                ):
                    selector.unregister(key.fileobj)
                    viewers.pop(key.fileobj).connection.close()
            if time.perf_counter() < due:
                continue
            number, phase = divmod(tick, PHASES)
            at = round(number * 90_000 / fps) + phase * 90_000 // (fps * PHASES)
            if phase == 0:
                first, sequence = sequence, sequence + count_of(units[number % len(units)])
            data = rtp_of(units[number % len(units)], first, at)
            for viewer in [each for each in viewers.values() if each.phase == phase]:
                _send(viewer, data)
            tick += 1


def units_of(packet: bytes) -> list[bytes]:
    """Returns the units of a packet, annex B."""
    split = packet.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [unit for unit in split if unit]


def count_of(units: list[bytes]) -> int:
    """Returns how many RTP packets a picture takes."""
    return sum(
        1 if len(unit) <= PAYLOAD_BYTES else -(-(len(unit) - 1) // (PAYLOAD_BYTES - 2))
        for unit in units
    )


def rtp_of(units: list[bytes], sequence: int, at: int) -> bytes:
    """Returns a picture as interleaved RTP packets of channel 0."""
    pieces: list[bytes] = []
    for unit in units:
        if len(unit) <= PAYLOAD_BYTES:
            pieces.append(unit)
            continue
        step = PAYLOAD_BYTES - 2
        for begin in range(1, len(unit), step):
            end = begin + step
            mark = (0x80 if begin == 1 else 0) | (0x40 if end >= len(unit) else 0)
            head = bytes((unit[0] & 0xE0 | _FU_A, mark | unit[0] & 0x1F))
            pieces.append(head + unit[begin:end])
    made = []
    for number, piece in enumerate(pieces):
        marker = _MARKER if number == len(pieces) - 1 else 0
        head = struct.pack(
            _INTERLEAVED, 0x24, 0, 12 + len(piece), 0x80, marker | _TYPE,
            (sequence + number) & 0xFFFF, at & 0xFFFFFFFF, _SOURCE,
        )  # fmt: skip
        made.append(head + piece)
    return b"".join(made)


def _send(viewer: _Viewer, data: bytes) -> None:
    """Send what the connection takes; the rest waits, as in a camera."""
    if viewer.waiting:
        viewer.waiting += data
        data = bytes(viewer.waiting)
        viewer.waiting.clear()
    try:
        sent = viewer.connection.send(data)
    except BlockingIOError:
        sent = 0
    except OSError:
        viewer.phase = None
        return
    viewer.waiting += data[sent:]


def _talk(viewer: _Viewer, sets: list[bytes], number: int) -> bool:
    """Answer what a client asks. Returns False once it is gone."""
    try:
        got = viewer.connection.recv(4096)
    except BlockingIOError:
        return True
    except OSError:
        return False
    viewer.asked += got
    while viewer.asked.startswith(b"$") and len(viewer.asked) >= FRAME_HEAD:
        viewer.asked = viewer.asked[FRAME_HEAD + int.from_bytes(viewer.asked[2:4], "big") :]
    while b"\r\n\r\n" in viewer.asked:
        request, _, viewer.asked = viewer.asked.partition(b"\r\n\r\n")
        _answer(viewer, request.decode(), sets, number)
    return bool(got)


def _answer(viewer: _Viewer, request: str, sets: list[bytes], number: int) -> None:
    with suppress(OSError):  # it is gone: the next look says so
        viewer.connection.sendall(answer_to(request, sdp_of(sets)))
    if request.startswith("PLAY "):
        viewer.connection.setblocking(False)
        viewer.phase = number % PHASES


def fields_of(request: str) -> dict[str, str]:
    """Returns a request's headers."""
    return dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if ": " in line)


def answer_to(request: str, description: str) -> bytes:
    """Returns a camera's answer to a request of RTSP."""
    method, address = request.split(" ")[:2]
    more, body = {
        "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n", ""),
        "DESCRIBE": (
            f"Content-Base: {address}/\r\nContent-Type: application/sdp\r\n",
            description,
        ),
        "SETUP": (
            "Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
            "",
        ),
    }.get(method, ("Session: 1\r\n", ""))
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"RTSP/1.0 200 OK\r\nCSeq: {fields_of(request)['CSeq']}\r\n{more}{length}\r\n"
    return (head + body).encode()


def sdp_of(sets: list[bytes]) -> str:
    """Returns what a camera with these parameter sets says of itself."""
    told = ",".join(base64.b64encode(unit).decode() for unit in sets)
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
        f"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={told}\r\n"
        "a=control:track1\r\n"
    )
