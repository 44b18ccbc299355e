"""Our RTSP client: what it reads, what it leaves to FFmpeg, and what it says of what it cannot
read.
"""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache, partial

import pytest

from benchmarks.rtsp_cameras import fields_of, rtp_of, sdp_of, units_of
from services.capture.sources.http import Unsuited
from services.capture.sources.picture import SourceLost
from services.capture.sources.rtp import START, AccessUnit, Depacketizer
from services.capture.sources.rtsp import RtspVideo
from services.capture.sources.rtsp_auth import Credentials
from services.capture.sources.sdp import video_track
from shared.adapters.clock import SystemClock
from shared.domain.ports import Clock
from tests.support.h264 import Coded, coded
from tests.support.rtsp_tcp import TcpCamera, sending, serving
from tests.support.twins import SimulatedClock
from tests.support.waiting import WAIT_SECONDS

FPS = 15
SDP = sdp_of([b"\x67abc", b"\x68d"])


@lru_cache
def coded_film() -> tuple[Coded, ...]:
    """Twenty pictures of one unit each, but for the keyframes."""
    return tuple(coded(range(20), 5))


def film() -> list[bytes]:
    return [packet.data for packet in coded_film()]


def annex_b(packet: bytes) -> bytes:
    return b"".join(START + unit for unit in units_of(packet))


def taken(depacketizer: Depacketizer, stream: bytes) -> list[AccessUnit]:
    """What a depacketizer makes of interleaved packets."""
    at, found = 0, []
    while at < len(stream):
        stop = at + 4 + int.from_bytes(stream[at + 2 : at + 4], "big")
        unit = depacketizer.take(stream, at + 4, stop)
        found += [] if unit is None else [unit]
        at = stop
    return found


def packet(payload: bytes, stamp: int, *, marker: bool, head: bytes = b"\x80") -> bytes:
    """One interleaved RTP packet; head: its first byte, and what follows the fixed header."""
    rtp = struct.pack(">BBHII", head[0], marker << 7 | 96, 7, stamp, 1) + head[1:] + payload
    return struct.pack(">BBH", 0x24, 0, len(rtp)) + rtp


def test_pictures_come_as_they_were_sent() -> None:
    depacketizer = Depacketizer(96)
    stream = b"".join(
        rtp_of(units_of(each), n * 50, n * 90_000 // FPS) for n, each in enumerate(film())
    )
    units = taken(depacketizer, stream)
    assert [unit.data for unit in units] == [annex_b(each) for each in film()]
    assert [5 in unit.kinds for unit in units] == [n % 5 == 0 for n in range(20)]
    assert [unit.at_s for unit in units] == pytest.approx([n / FPS for n in range(20)], abs=1e-4)


@pytest.mark.parametrize(
    "head",
    [
        b"\x81" + b"\0\0\0\5",  # a contributing source
        b"\x90" + b"\xbe\xde\0\1abcd",  # an extension, as ONVIF's time of day
        b"\xb0" + b"\xbe\xde\0\0",  # an extension and padding
    ],
)
def test_headers_that_not_every_camera_has(head: bytes) -> None:
    body = b"\x65picture" + (b"\0\0\3" if head[0] & 0x20 else b"")
    (unit,) = taken(Depacketizer(96), packet(body, 5, marker=True, head=head))
    assert unit.data == START + b"\x65picture"


def test_units_that_share_a_packet() -> None:
    joined = b"\x18\0\4\x67abc\0\2\x68d\0\3\x65yz"
    (unit,) = taken(Depacketizer(96), packet(joined, 5, marker=True))
    assert unit.data == START + b"\x67abc" + START + b"\x68d" + START + b"\x65yz"


def test_parameter_sets_with_a_marker_of_their_own_belong_to_the_next_picture() -> None:
    stream = packet(b"\x67abc", 5, marker=True) + packet(b"\x68d", 5, marker=True)
    (unit,) = taken(Depacketizer(96), stream + packet(b"\x65yz", 5, marker=True))
    assert unit.kinds == {7, 8, 5}


def test_a_camera_without_markers() -> None:
    stream = b"".join(packet(b"\x65" + bytes([65 + n]), n * 6000, marker=False) for n in range(4))
    units = taken(Depacketizer(96), stream)
    assert [unit.data[-1:] for unit in units] == [b"A", b"B", b"C"]


def test_time_that_wraps_goes_on() -> None:
    stamps = [(1 << 32) - 12_000 + n * 6000 for n in range(5)]
    stream = b"".join(packet(b"\x61x", stamp % (1 << 32), marker=True) for stamp in stamps)
    assert [round(unit.at_s * 90_000) for unit in taken(Depacketizer(96), stream)] == stamps


def test_what_is_no_video_and_what_is_cut_off_is_passed_over() -> None:
    other = bytearray(packet(b"\x65sound", 5, marker=True))
    other[5] = 0x80 | 97
    middle = packet(b"\x7c\x05rest", 5, marker=False)  # of a unit whose beginning was lost
    short = b"\x24\0\0\5" + b"\x80\x60\0\0\0"
    stream = bytes(other) + middle + short + packet(b"\x61yz", 5, marker=True)
    (unit,) = taken(Depacketizer(96), stream)
    assert unit.data == START + b"\x61yz"


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"".join(packet(b"\x61x", at, marker=True) for at in (6000, 18_000, 12_000)), "B-frames"),
        (b"".join(packet(b"\x61x", 6000, marker=True) for _ in range(2)), "several pictures"),
        (packet(b"\x1ax", 6000, marker=True), "type 26"),
    ],
)
def test_what_ffmpeg_knows_better_is_left_to_it(stream: bytes, why: str) -> None:
    with pytest.raises(Unsuited, match=why):
        taken(Depacketizer(96), stream)


def test_a_clock_that_begins_anew_is_no_b_frame() -> None:
    stamps = (900_000_000, 900_006_000, 5_000, 11_000)
    stream = b"".join(packet(b"\x61x", stamp, marker=True) for stamp in stamps)
    assert len(taken(Depacketizer(96), stream)) == 4


def test_a_picture_without_an_end_fills_no_memory() -> None:
    depacketizer = Depacketizer(96)
    taken(depacketizer, packet(b"\x7c\x85x", 5, marker=False))
    depacketizer.check_size()
    taken(depacketizer, packet(b"\x7c\x05" + b"x" * 1000, 5, marker=False) * 100_000)
    with pytest.raises(SourceLost, match="does not end"):
        depacketizer.check_size()


@pytest.mark.parametrize(
    ("changed", "control"),
    [
        (SDP, "rtsp://cam/live/track1"),
        (SDP.replace("control:track1", "control:*"), "rtsp://cam/live"),
        (SDP.replace("control:track1", "control:rtsp://cam/other"), "rtsp://cam/other"),
        (SDP.replace("control:track1", "control:/top"), "rtsp://cam/top"),
        (SDP.replace("m=video", "m=audio 0 RTP/AVP 0\r\na=control:a\r\nm=video"), "rtsp://cam/live/track1"),
    ],
)  # fmt: skip
def test_descriptions(changed: str, control: str) -> None:
    track = video_track(changed, "rtsp://cam/live")
    assert (track.control, track.payload_type) == (control, 96)
    assert track.sets == START + b"\x67abc" + START + b"\x68d"


@pytest.mark.parametrize(
    "changed",
    [
        SDP.replace("H264", "H265"),
        SDP.replace("m=video", "m=audio"),
        SDP.replace("packetization-mode=1", "packetization-mode=2"),
        "",
    ],
)
def test_descriptions_of_what_ffmpeg_knows_better(changed: str) -> None:
    with pytest.raises(Unsuited):
        video_track(changed, "rtsp://cam/live")


def test_parameter_sets_that_cannot_be_read_are_those_of_the_stream() -> None:
    assert video_track(re.sub("sets=[^ \r]*", "sets=!!", SDP), "rtsp://cam").sets == b""


def opened(
    url: str, timeout_s: float = WAIT_SECONDS, clock: Clock | None = None
) -> AbstractContextManager[RtspVideo]:
    return RtspVideo.opened(url, clock or SystemClock(), timeout_s)


def refuses(url: str, timeout_s: float = WAIT_SECONDS) -> None:
    """Open a camera that is expected to raise."""
    with opened(url, timeout_s):
        pass


def first(url: str, count: int = 12, timeout_s: float = WAIT_SECONDS) -> list[AccessUnit]:
    with opened(url, timeout_s) as video:
        return [unit for _, unit in zip(range(count), video.pictures(), strict=False)]


def test_a_camera_is_read_and_left_politely() -> None:
    camera = TcpCamera(sets=units_of(film()[0])[:2])
    with sending(camera, coded_film()) as url:
        units = first(url)
        for _ in range(200):
            if camera.requests[-1].startswith("TEARDOWN"):
                break
            SystemClock().sleep(0.01)
    expected = [annex_b(each) for each in film()]
    at = expected.index(units[0].data)
    assert [unit.data for unit in units] == [expected[(at + n) % 20] for n in range(12)]
    assert [each.split(" ")[0] for each in camera.requests] == [
        "OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN",
    ]  # fmt: skip


def refused(status: str, method: str, request: str) -> bytes | None:
    if not request.startswith(method):
        return None
    return f"RTSP/1.0 {status}\r\nCSeq: {fields_of(request)['CSeq']}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("status", "method", "kind", "said"),
    [
        ("404 Not Found", "DESCRIBE", SourceLost, "404"),
        ("401 Unauthorized", "DESCRIBE", SourceLost, "401"),
        ("461 Unsupported Transport", "SETUP", Unsuited, "461"),
        ("301 Moved", "DESCRIBE", Unsuited, "301"),
        ("500 Oops", "PLAY", Unsuited, "500"),
    ],
)
def test_what_a_camera_refuses(status: str, method: str, kind: type[Exception], said: str) -> None:
    camera = TcpCamera(answer=partial(refused, status, method), description=SDP)
    with serving(camera) as url, pytest.raises(kind, match=said):
        refuses(url)


def test_a_camera_that_is_no_camera() -> None:
    camera = TcpCamera(answer=lambda _: b"SSH-2.0-OpenSSH_9\r\n")
    with serving(camera) as url, pytest.raises(Unsuited):
        refuses(url)


def test_a_camera_that_drips_and_shows_nothing_is_lost() -> None:
    """Its control packets go on, and its encoder has died. By a clock that goes on a second with
    each of them: by the host's, a host that stands still would make the camera a silent one.
    """
    camera, done = TcpCamera(sets=units_of(film()[0])[:2]), threading.Event()
    clock, timeout_s = SimulatedClock(), 20.0

    def drip() -> None:
        while not done.wait(0.01):
            clock.sleep(camera.send_raw(b"$\1\0\4abcd"))

    thread = threading.Thread(target=drip)
    with serving(camera) as url, opened(url, timeout_s, clock) as video:
        began_s = clock.monotonic()
        thread.start()
        try:
            with pytest.raises(SourceLost, match="no picture came in time"):
                next(video.pictures())
        finally:
            done.set()
            thread.join()
    assert clock.monotonic() - began_s > timeout_s


def test_a_camera_that_sends_and_never_answers_fills_no_memory() -> None:
    flood = (b"$\0\xff\xff" + b"x" * 65_535) * 130
    camera = TcpCamera(answer=lambda _: flood)
    with serving(camera) as url, pytest.raises(SourceLost, match="pictures and no answer"):
        refuses(url, 5.0)


def test_an_address_that_is_none_is_told_without_it() -> None:
    """Found out before anything is sent or looked up."""
    for url in ("rtsp://me:secret@127.0.0.1:99999/x", f"rtsp://me:secret@{'a' * 70}.example/x"):
        with pytest.raises(SourceLost) as told:
            refuses(url)
        assert "secret" not in told.value.message


def test_a_silent_camera_is_lost() -> None:
    with (
        serving(TcpCamera(sets=units_of(film()[0])[:2])) as url,
        pytest.raises(SourceLost, match="timed out"),
        # only the kernel's clock goes on, which says so
        opened(url, 0.2, SimulatedClock()) as video,
    ):
        next(video.pictures())
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(SourceLost):
        refuses(f"rtsp://127.0.0.1:{server.getsockname()[1]}/x", 0.2)


def guarded(algorithm: str, request: str) -> bytes | None:
    """A camera that lets in who knows `secret`."""
    fields = fields_of(request)
    told = dict(re.findall(r'(\w+)="?([^",]*)', fields.get("Authorization", "")))
    make: Callable[..., hashlib._Hash] = getattr(hashlib, algorithm.lower().replace("-", ""))

    def digest(*parts: str) -> str:
        return make(":".join(parts).encode()).hexdigest()

    who = digest("me", "cam", "secret:word")
    what = digest(request.split(" ", maxsplit=1)[0], told.get("uri", ""))
    right = digest(who, "n1", told.get("nc", ""), told.get("cnonce", ""), "auth", what)
    if told.get("response") == right and told["uri"] == request.split(" ")[1]:
        return None
    digest_of = f'Digest realm="cam", nonce="n1", algorithm={algorithm}, qop="auth"'
    challenge = f'WWW-Authenticate: Basic realm="cam"\r\nWWW-Authenticate: {digest_of}'
    return f"RTSP/1.0 401 Unauthorized\r\nCSeq: {fields['CSeq']}\r\n{challenge}\r\n\r\n".encode()


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_camera_with_a_password(algorithm: str) -> None:
    camera = TcpCamera(answer=partial(guarded, algorithm), sets=units_of(film()[0])[:2])
    with sending(camera, coded_film()) as url:
        place = url.removeprefix("rtsp://")
        assert len(first(f"rtsp://me:secret%3Aword@{place}", 3)) == 3
        assert not any("secret" in request or "@" in request for request in camera.requests)
        camera.requests.clear()
        with pytest.raises(SourceLost, match="401"):
            refuses(f"rtsp://me:wrong@{place}")
        # once without a password, once with it: a camera locks out who tries again and again
        asked = [each for each in camera.requests if not each.startswith("TEARDOWN")]
        assert [each.split(" ")[0] for each in asked] == ["OPTIONS", "OPTIONS"]


def test_basic_authentication_and_an_old_nonce() -> None:
    basic = Credentials("me", "secret")
    assert basic.challenged('Basic realm="cam"')
    assert basic.authorization("PLAY", "rtsp://x") == "Basic bWU6c2VjcmV0"
    assert not basic.challenged('Basic realm="cam"')
    digest = Credentials("me", "secret")
    assert digest.challenged('Digest realm="cam", nonce="1"')
    assert 'nonce="1"' in digest.authorization("PLAY", "rtsp://x")
    assert digest.challenged('Digest realm="cam", nonce="2", stale=true')
    assert not digest.challenged('Digest realm="cam", nonce="2"')
    assert not Credentials().challenged('Digest realm="cam", nonce="2"')
    assert "secret" not in repr(digest)


def test_a_session_is_kept_alive() -> None:
    camera = TcpCamera(sets=units_of(film()[0])[:2])

    def short(request: str) -> bytes | None:
        if not request.startswith("SETUP"):
            return None
        cseq = fields_of(request)["CSeq"]
        told = "Session: 77 ; timeout=2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1"
        return f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{told}\r\n\r\n".encode()

    camera.answer = short
    with sending(camera, coded_film()) as url, opened(url) as video:
        for unit in video.pictures():
            beats = [each for each in camera.requests if each.startswith("GET_PARAMETER")]
            if beats:
                break
            assert unit.data
    assert "Session: 77" in beats[0].split("\r\n")
