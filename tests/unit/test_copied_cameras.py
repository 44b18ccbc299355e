"""Cameras whose own packets are copied: which can be, and what is said of those that cannot."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache

import av
import pytest
from av.container import InputContainer

from services.capture.camera import Camera
from services.capture.leases import Ownership
from services.capture.outbox import Outbox
from services.capture.reporting import Reporter
from services.capture.sources.packets import PacketSource
from services.capture.sources.picture import CodedPicture, Decided, Picture, SourceLost, Unusable
from shared.adapters.video.av_video import AvVideo
from shared.domain.errors import BadInput
from shared.domain.media import Frame, PacketMark
from tests.support.h264 import camera_encoder
from tests.support.leases import Server
from tests.support.pictures import numbered_jpeg, numbered_picture
from tests.support.twins import SimulatedClock

FPS = 15
REFRESH = "intra-refresh=1:keyint=30:bframes=0"
OPEN_GROUPS = "open-gop=1:keyint=15:bframes=2:b-adapt=0:scenecut=0"


@lru_cache
def film(params: str, count: int, sizes: tuple[int, int] = (320, 180)) -> tuple[bytes, ...]:
    """Packets as an x264 in a camera makes them."""
    codec = camera_encoder(30, size=sizes)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": params}
    made = []
    for n in range(count):
        picture = av.VideoFrame.from_ndarray(numbered_picture(n, *sizes), format="bgr24")
        picture.pts = n
        made += codec.encode(picture)
    return tuple(bytes(packet) for packet in (*made, *codec.encode(None)))


def stream(packets: tuple[bytes, ...]) -> InputContainer:
    """The packets as a demuxer gives them, at the film's pace."""
    out = io.BytesIO()
    clock = Fraction(1, 90_000)
    with av.open(out, "w", format="mpegts") as container:
        video = container.add_mux_stream("h264", width=320, height=180)
        video.time_base = clock
        for n, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base = video, clock
            packet.pts = packet.dts = n * 90_000 // FPS
            container.mux(packet)
    out.seek(0)
    return av.open(out, "r", format="mpegts")


def coded(
    packets: tuple[bytes, ...], *, watched: bool = False
) -> Iterator[CodedPicture | Picture | Decided]:
    source = PacketSource("rtsp://127.0.0.1/x", 85, SimulatedClock(), watched=watched)
    return source._of_container(stream(packets))


def frame_of(picture: CodedPicture) -> Frame:
    return Frame(
        camera_id="gate-1",
        captured_ms=1000,
        data=picture.data,
        counter=0,
        run_id="run",
        packet=PacketMark(picture.keyframe, 1000, picture.parameters),
    )


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("joined_at", [0, 5])
def test_a_camera_with_recovery_points_alone_is_refused_in_words(
    joined_at: int, watched: bool
) -> None:
    with pytest.raises(Unusable, match="no keyframes: codec copy cannot be used"):
        list(coded(film(REFRESH, 200)[joined_at:], watched=watched))


def test_nothing_is_passed_on_that_no_decoder_can_begin_with() -> None:
    """Whatever is called a keyframe makes a clip's form."""
    for params, joined_at in ((REFRESH, 0), (OPEN_GROUPS, 5), ("keyint=15:scenecut=0", 3)):
        taken = [p for p in coded(film(params, 100)[joined_at:]) if isinstance(p, CodedPicture)]
        assert taken[0].keyframe
        for picture in taken:
            if picture.keyframe:
                assert AvVideo().copied_form(frame_of(picture)).width == 320


def test_open_groups_can_be_copied() -> None:
    taken = [p for p in coded(film(OPEN_GROUPS, 250)[5:]) if isinstance(p, CodedPicture)]
    assert sum(picture.keyframe for picture in taken) >= 15


def test_recovery_points_between_keyframes_do_no_harm() -> None:
    packets = tuple(packet for n in range(8) for packet in film(REFRESH, 50))
    assert sum(p.keyframe for p in coded(packets) if isinstance(p, CodedPicture)) == 8


def test_a_camera_that_sends_one_keyframe_and_never_another_is_told() -> None:
    endless = film("keyint=infinite:scenecut=0", 1000)
    with pytest.raises(Unusable, match="no keyframe for 60 s"):
        list(coded(endless))


class Scripted:
    """Connects, delivers for some seconds, and turns out to be unusable."""

    def __init__(self, clock: SimulatedClock, states: list[str]) -> None:
        self.clock, self.states, self.opened = clock, states, 0
        self.good = False
        self.look: Callable[[], str] = lambda: ""

    def pictures(self) -> Iterator[CodedPicture | Picture]:
        self.opened += 1
        for n in range(10_000 if self.good else 150):
            self.clock.sleep(1 / FPS)
            yield CodedPicture(b"x", n == 0 or (self.good and n % 30 == 0), "h264:1", n / FPS)
            if n % FPS == 0:
                self.states.append(self.look())
        raise (
            Unusable("codec copy cannot be used with it")
            if not self.good
            else SourceLost("the end")
        )


def test_a_camera_that_cannot_be_copied_stays_told_until_it_can() -> None:
    clock, outbox, states = SimulatedClock(), Outbox(), list[str]()
    outbox.open("gate-1", 5000, 10**9)
    source = Scripted(clock, states)
    camera = Camera(
        camera_id="gate-1", source=source, fps=FPS, outbox=outbox, clock=clock, newest=lambda: None
    )
    server = Server(0, late=False)
    ownership = Ownership(
        leases=server,
        clock=clock,
        owner="me",
        cameras=["gate-1"],
        server_ms=server.time,
        recorded=bool,
    )
    reporter = Reporter(
        states=server, clock=clock, ownership=ownership, outbox=outbox, keep_ms={"gate-1": 15_000}
    )

    def look() -> str:
        reporter.report({"gate-1": camera}, {})
        return server.states["gate-1"]

    source.look = look
    pauses: list[float] = []

    def waits(seconds: float) -> bool:
        pauses.append(seconds)
        clock.sleep(seconds)
        source.good = source.opened == 3
        if source.opened == 4:
            camera._stopping.set()
        return False

    camera._stopping.wait = waits  # type: ignore[method-assign, assignment]
    camera._run()
    assert set(states[:10]) == {"connected"}
    assert set(states[10:30]) == {"misconfigured"}
    assert states[-1] == "connected"
    assert pauses[1] > 0.9  # it delivers, but is not opened again at once


def test_a_keyframe_that_does_not_come_again_is_told_before_a_recording_needs_it() -> None:
    clock, outbox, states = SimulatedClock(), Outbox(), list[str]()
    outbox.open("gate-1", 5000, 10**9)
    camera = Camera(
        camera_id="gate-1",
        source=Scripted(clock, states),
        fps=FPS,
        outbox=outbox,
        clock=clock,
        newest=lambda: None,
    )
    server = Server(0, late=False)
    reporter = Reporter(
        states=server,
        clock=clock,
        ownership=Ownership(
            leases=server,
            clock=clock,
            owner="me",
            cameras=["gate-1"],
            server_ms=server.time,
            recorded=bool,
        ),
        outbox=outbox,
        keep_ms={"gate-1": 5000},
    )
    with pytest.raises(Unusable):
        camera._read()
    reporter.report({"gate-1": camera}, {})
    assert server.states["gate-1"] == "impaired"
    assert "no keyframe for 9.9 s" in server.errors["gate-1"]


def test_a_packet_that_is_no_picture_gives_no_form() -> None:
    with pytest.raises(BadInput):
        AvVideo().copied_form(
            frame_of(
                CodedPicture(film(REFRESH, 50)[30], keyframe=True, parameters="h264:1", source_s=0)
            )
        )


def test_pictures_beside_copied_packets_are_thinned_by_their_own_rate() -> None:
    """A detector's five a second, of a camera that sends fifteen."""
    clock, outbox, frames = SimulatedClock(), Outbox(), list[Frame]()
    outbox.put = frames.append  # type: ignore[method-assign, assignment]

    class Watched:
        def pictures(self) -> Iterator[CodedPicture | Picture]:
            for n in range(900):
                clock.sleep(1 / FPS)
                yield CodedPicture(b"x", n % 30 == 0, "h264:1", n / FPS)
                yield Picture(lambda n=n: numbered_jpeg(n), n / FPS)  # type: ignore[misc]

    Camera(
        camera_id="gate-1", source=Watched(), fps=5, outbox=outbox, clock=clock, newest=lambda: None
    )._read()
    assert sum(frame.packet is None for frame in frames[900:]) == pytest.approx(
        len(frames[900:]) / 4, rel=0.05
    )
    assert sum(frame.packet is not None for frame in frames) == 900


def test_a_camera_of_another_codec_is_misconfigured_not_lost() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        for n in range(10):
            container.mux(
                video.encode(av.VideoFrame.from_ndarray(numbered_picture(n), format="bgr24"))
            )
        container.mux(video.encode(None))
    out.seek(0)
    source = PacketSource("rtsp://127.0.0.1/x", 85, SimulatedClock(), watched=False)
    with pytest.raises(Unusable, match="mpeg2video: only h264 and hevc can be copied"):
        list(source._of_container(av.open(out, "r", format="mpegts")))
