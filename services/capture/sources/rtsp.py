"""RTSP over TCP (RFC 2326) as nearly every camera speaks it: H.264, one connection, few system
calls.

FFmpeg asks the kernel six times for each RTP packet, and PyAV's time-out takes the interpreter's
lock at each of them (docs/adr/0021-an-rtsp-client-of-our-own.md). Where a camera wants anything
else, Unsuited is raised, and FFmpeg reads it.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from services.capture.sources.http import Unsuited
from services.capture.sources.picture import SourceLost
from services.capture.sources.rtp import AccessUnit, Depacketizer
from services.capture.sources.rtsp_auth import Credentials
from services.capture.sources.sdp import Track, video_track
from shared.domain.ports import Clock

PORT, READ_BYTES = 554, 65_536
LINGER_SECONDS = 0.01  # while a picture is on its way, the rest of it is waited for
SESSION_SECONDS, LONGEST_SILENCE_SECONDS = 60, 30.0
_DOLLAR, _FRAME_HEAD = 0x24, 4  # "$", channel and length come before each RTP packet
_MOST_HEAD_BYTES, _MOST_BODY_BYTES, _MOST_BEFORE_BYTES = 16_384, 262_144, 8_000_000
_STATUS = re.compile(r"RTSP/\d\.\d (\d{3})\b")
_OK, _UNAUTHORIZED = 200, 401
# Asked again by FFmpeg, these would be answered the same, or worse: a second wrong password.
_REFUSED = {
    _UNAUTHORIZED: "Server returned 401 Unauthorized (authorization failed)",
    403: "Server returned 403 Forbidden (access denied)",
    404: "Server returned 404 Not Found",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer to a request."""

    status: int
    headers: dict[str, str]
    body: str = ""


@dataclass(slots=True)
class _Session:
    """What was agreed with a camera."""

    address: str
    requests: int = 0
    session: str = ""
    idle_s: float = LONGEST_SILENCE_SECONDS
    beat: str = "OPTIONS"
    unread: bytes = b""
    credentials: Credentials = field(default_factory=Credentials)


class RtspVideo:
    """One connection to a camera. `track` tells what it sends; `pictures` reads it."""

    track: Track

    def __init__(
        self, connection: socket.socket, session: _Session, clock: Clock, timeout_s: float
    ) -> None:
        self._socket, self._state = connection, session
        self._clock, self._timeout_s = clock, timeout_s

    @classmethod
    @contextmanager
    def opened(cls, url: str, clock: Clock, timeout_s: float) -> Iterator[RtspVideo]:
        """Yields a camera that sends pictures, and says goodbye to it at the end.

        timeout_s: after how many seconds without an answer, or without a picture, it is lost.
        Raises SourceLost when the camera cannot be read, Unsuited when FFmpeg should.
        """
        parts = urlsplit(url)
        session = _Session(_plain(parts))
        if parts.username is not None:
            name, secret = unquote(parts.username), unquote(parts.password or "")
            session.credentials = Credentials(name, secret)
        with _lost_with(OSError), closing(_connected(parts, timeout_s)) as connection:
            video = cls(connection, session, clock, timeout_s)
            video.track = video._begin()
            try:
                yield video
            finally:
                video._leave()

    def _begin(self) -> Track:
        options = self._ask("OPTIONS", self._state.address)
        if "GET_PARAMETER" in options.headers.get("public", "").upper():
            self._state.beat = "GET_PARAMETER"
        described = self._ask("DESCRIBE", self._state.address, Accept="application/sdp")
        base = described.headers.get("content-base") or described.headers.get("content-location")
        self._state.address = base.strip() if base else self._state.address
        track = video_track(described.body, self._state.address)
        wanted = "RTP/AVP/TCP;unicast;interleaved=0-1"
        setup = self._ask("SETUP", track.control, Transport=wanted)
        if "interleaved=0-1" not in setup.headers.get("transport", "").replace(" ", ""):
            raise Unsuited("another transport")
        session, _, more = setup.headers.get("session", "").partition(";")
        self._state.session = session.strip()
        told = more.strip().lower().removeprefix("timeout=")
        ends_s = int(told) if told.isdecimal() else SESSION_SECONDS
        self._state.idle_s = min(LONGEST_SILENCE_SECONDS, max(1.0, ends_s / 2))
        self._ask("PLAY", self._state.address, Range="npt=0.000-")
        return track

    def pictures(self) -> Iterator[AccessUnit]:
        """Yields pictures until the camera is lost."""
        depacketizer = Depacketizer(self.track.payload_type)
        beat_at = seen_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            if now - seen_at > self._timeout_s:
                raise SourceLost("the source cannot be read: no picture came in time")
            if now - beat_at >= self._state.idle_s:
                self._send(self._state.beat, self._state.address)
                beat_at = now
            for unit in self._whole(depacketizer):
                seen_at = now
                yield unit
            depacketizer.check_size()
            if depacketizer.open:
                self._clock.sleep(LINGER_SECONDS)
            self._state.unread += self._receive()

    def _leave(self) -> None:
        """Tell the camera; one that takes nothing is not waited for."""
        with suppress(OSError):
            self._socket.setblocking(False)
            self._send("TEARDOWN", self._state.address)

    def _whole(self, depacketizer: Depacketizer) -> Iterator[AccessUnit]:
        """Yields the pictures of what was received, and keeps the rest."""
        data, at = self._state.unread, 0
        end = len(data)
        while end - at >= _FRAME_HEAD:
            if data[at] == _DOLLAR:
                stop = at + _FRAME_HEAD + (data[at + 2] << 8 | data[at + 3])
                if stop > end:
                    break
                if data[at + 1] == 0:
                    unit = depacketizer.take(data, at + _FRAME_HEAD, stop)
                    if unit is not None:
                        yield unit
            else:
                after = self._skip_text(data, at)
                if after is None:
                    break
                stop = after
            at = stop
        self._state.unread = data[at:]

    def _skip_text(self, data: bytes, at: int) -> int | None:
        """Returns where an answer between pictures ends, None while it is not whole."""
        found = _answer(data, at)
        if found is None:
            return None
        answer, stop = found
        if answer.status == _UNAUTHORIZED:  # what it let in with has grown old
            self._challenged(answer)
            self._send(self._state.beat, self._state.address)
        return stop

    def _receive(self) -> bytes:
        got = self._socket.recv(READ_BYTES)
        if not got:
            raise SourceLost("the stream ended")
        return got

    def _challenged(self, answer: Answer) -> None:
        if not self._state.credentials.challenged(answer.headers.get("www-authenticate", "")):
            raise SourceLost(f"the source cannot be read: {_REFUSED[_UNAUTHORIZED]}")

    def _ask(self, method: str, address: str, **headers: str) -> Answer:
        """Returns the answer of status 200 to a request."""
        self._send(method, address, **headers)
        answer = self._answered()
        if answer.status == _UNAUTHORIZED:
            self._challenged(answer)
            self._send(method, address, **headers)
            answer = self._answered()
        asked_again = answer.status == _UNAUTHORIZED  # the password is wrong: it is not tried twice
        if answer.status in _REFUSED and (asked_again or method != "OPTIONS"):
            raise SourceLost(f"the source cannot be read: {_REFUSED[answer.status]}")
        if answer.status != _OK and method != "OPTIONS":
            raise Unsuited(f"{method} is answered {answer.status}")
        return answer

    def _send(self, method: str, address: str, **headers: str) -> None:
        state = self._state
        state.requests += 1
        lines = [f"{method} {address} RTSP/1.0", f"CSeq: {state.requests}", "User-Agent: platereel"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if state.session:
            lines.append(f"Session: {state.session}")
        authorization = state.credentials.authorization(method, address)
        if authorization:
            lines.append(f"Authorization: {authorization}")
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def _answered(self) -> Answer:
        """Returns the answer to the last request. Pictures that come before it are kept."""
        until = self._clock.monotonic() + self._timeout_s
        at = 0
        while self._clock.monotonic() < until:
            data = self._state.unread
            if len(data) - at >= _FRAME_HEAD and data[at] == _DOLLAR:
                stop = at + _FRAME_HEAD + (data[at + 2] << 8 | data[at + 3])
                if stop <= len(data):
                    at = stop
                    continue
            elif len(data) > at and (found := _answer(data, at)) is not None:
                answer, stop = found
                self._state.unread = data[:at] + data[stop:]
                if answer.headers.get("cseq", "") == str(self._state.requests):
                    return answer
                continue
            if len(data) > _MOST_BEFORE_BYTES:
                raise SourceLost("the source cannot be read: it sends pictures and no answer")
            self._state.unread += self._receive()
        raise SourceLost("the source cannot be read: no answer came in time")


@contextmanager
def _lost_with(*errors: type[Exception]) -> Iterator[None]:
    """Turn errors into SourceLost without the address."""
    try:
        yield
    except errors as error:
        raise SourceLost(f"the source cannot be read: {_reason(error)}") from error


def _connected(parts: SplitResult, timeout_s: float) -> socket.socket:
    """Returns a connection whose reads the kernel ends when they take too long: one system call,
    where Python's own time-out needs two and lets go of the interpreter twice.
    """
    with _lost_with(ValueError):  # an address that is none
        connection = socket.create_connection((parts.hostname or "", parts.port or PORT), timeout_s)
    connection.settimeout(None)
    seconds = int(timeout_s)
    limit = struct.pack("ll", seconds, int((timeout_s - seconds) * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, limit)
    return connection


def _answer(data: bytes, at: int) -> tuple[Answer, int] | None:
    """Returns the answer that begins at `at`, and where it ends; None while it is not whole.

    Raises Unsuited for anything else: then the connection is out of step.
    """
    if not data.startswith(b"RTSP/"[: len(data) - at], at):
        raise Unsuited("something else than answers and pictures")
    head_end = data.find(b"\r\n\r\n", at)
    if head_end < 0:
        if len(data) - at > _MOST_HEAD_BYTES:
            raise Unsuited("an answer without an end")
        return None
    first, *lines = data[at:head_end].decode("utf-8", "replace").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers: dict[str, str] = {}
    for name, _, value in pairs:
        key = name.strip().lower()
        # a camera offers several ways to log in, a line each
        headers[key] = f"{headers[key]}\n{value.strip()}" if key in headers else value.strip()
    told = headers.get("content-length", "0")
    length = int(told) if told.isdecimal() else 0
    if length > _MOST_BODY_BYTES:
        raise Unsuited("an answer that is too long")
    stop = head_end + 4 + length
    status = _STATUS.match(first)
    if status is None:
        raise Unsuited("an answer without a status")
    if stop > len(data):
        return None
    body = data[head_end + 4 : stop].decode("utf-8", "replace")
    return Answer(int(status[1]), headers, body), stop


def _plain(parts: SplitResult) -> str:
    """Returns the address without user and password."""
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=place, fragment="").geturl()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError | BlockingIOError):
        return "Connection timed out"
    return getattr(error, "strerror", None) or type(error).__name__
