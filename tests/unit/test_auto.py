"""Codec auto: what a connection decides, who learns of it, and what is decoded meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

import pytest

from services.api.media.camera_pictures import CameraPictures
from services.capture.camera import Camera
from services.capture.outbox import Outbox
from services.capture.sources.packets import Copying, PacketSource
from services.capture.sources.picture import CodedPicture, Decided, Picture, SourceLost, Unusable
from services.dispatch.pacer import _crosses
from services.dispatch.policies import Policies
from shared.adapters.clock import SystemClock
from shared.adapters.redis.camera_buffers import CameraBuffers
from shared.adapters.video.av_video import AvVideo
from shared.domain.camera import Recorded
from shared.domain.codec import Codec
from shared.domain.lifecycle import SegmentStatus
from shared.domain.media import Frame, PacketMark
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import BufferLimits, LiveSegment
from shared.runtime.configuration import ConfigurationError, load
from tests.support.h264 import Coded, coded
from tests.support.numbers import number_of_jpeg
from tests.support.pictures import numbered_jpeg
from tests.support.rtsp_tcp import TcpCamera, sending
from tests.support.twins import MemoryFrames, SimulatedClock

FPS = 15
LIMITS = {"cam": BufferLimits(keep_ms=60_000, cap_ms=60_000, max_bytes=10**9)}


@lru_cache
def film(gop: int = 5, bframes: int = 0, pix_fmt: str = "yuv420p") -> tuple[Coded, ...]:
    return tuple(coded(range(40), gop, bframes, pix_fmt=pix_fmt))


def source(url: str, copying: Copying, **more: Any) -> PacketSource:
    given = {"watched": False, **more}
    return PacketSource(url, 90, SystemClock(), 3.0, copying=copying, **given)


def taken(source: PacketSource, count: int) -> list[Picture | CodedPicture | Decided]:
    pictures = source.pictures()
    return [each for _, each in zip(range(count), pictures, strict=False)]


def test_h264_that_browsers_play_is_copied_and_one_picture_is_decoded() -> None:
    with sending(TcpCamera(), film()) as url:
        decided, *rest = taken(source(url, Copying.WHERE_IT_CAN), 22)
    assert decided == Decided(copied=True)
    assert isinstance(rest[0], CodedPicture)
    assert rest[0].keyframe
    (picture,) = (each for each in rest if isinstance(each, Picture))
    assert number_of_jpeg(picture.jpeg()) is not None


def test_while_somebody_looks_pictures_are_decoded_from_the_next_keyframe_on() -> None:
    looks = [False]
    with sending(TcpCamera(), film()) as url:
        pictures = source(url, Copying.WHERE_IT_CAN, looked_at=lambda: looks[0]).pictures()
        for _ in range(10):
            next(pictures)
        looks[0] = True
        seen = [each for _, each in zip(range(30), pictures, strict=False)]
        looks[0] = False
        for _ in range(3):
            next(pictures)
        later = [each for _, each in zip(range(20), pictures, strict=False)]
    shown = [number_of_jpeg(each.jpeg()) for each in seen if isinstance(each, Picture)]
    assert len(shown) >= 10
    assert all((b - a) % 40 == 1 for a, b in pairwise(shown) if a and b)
    assert not any(isinstance(each, Picture) for each in later)


@pytest.mark.parametrize(
    ("packets", "more", "why"),
    [
        (film(pix_fmt="yuv422p"), {}, "yuv422p"),
        (film(gop=1000), {"keyless_s": 1.0}, "no keyframe"),
    ],
)
def test_what_cannot_be_copied_is_decoded(
    packets: tuple[Coded, ...], more: dict[str, Any], why: str
) -> None:
    with sending(TcpCamera(), packets) as url:
        camera = source(url, Copying.WHERE_IT_CAN, **more)
        if "keyless_s" in more:  # it may begin well
            with suppress(SourceLost):
                taken(camera, 200)
        decided, *rest = taken(camera, 12)
    assert isinstance(decided, Decided)
    assert not decided.copied
    assert why in decided.why
    assert all(isinstance(each, Picture) for each in rest)
    numbers = [number_of_jpeg(each.jpeg()) for each in rest if isinstance(each, Picture)]
    assert sum(number is not None for number in numbers) >= 8


def test_a_camera_that_must_be_copied_says_why_it_cannot() -> None:
    with sending(TcpCamera(), film(gop=1000)) as url, pytest.raises(Unusable, match="no keyframe"):
        taken(source(url, Copying.ALWAYS, keyless_s=1.0), 300)


def test_a_camera_that_is_never_copied_is_decoded_without_ffmpegs_demuxer() -> None:
    with sending(TcpCamera(), film()) as url:
        decided, *rest = taken(source(url, Copying.NEVER), 10)
    assert decided == Decided(copied=False)
    assert len([each for each in rest if isinstance(each, Picture)]) == 9


def test_b_frames_are_left_to_ffmpeg() -> None:
    """Which copies them all the same: at once where none was passed on, else from the next
    connection on.
    """
    with sending(TcpCamera(), film(bframes=2)) as url:
        camera = source(url, Copying.WHERE_IT_CAN)
        with suppress(SourceLost):
            taken(camera, 100)
        assert not camera._plain
        again = taken(camera, 20)
    packets = [each for each in again if isinstance(each, CodedPicture)]
    assert again[0] == Decided(copied=True)
    assert packets[0].keyframe


class Changing:
    """A camera that is copied, then decoded, then copied."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock, self.opened = clock, 0

    def pictures(self) -> Iterator[Picture | CodedPicture | Decided]:
        self.opened += 1
        copied = self.opened % 2 == 1
        yield Decided(copied=copied, why="" if copied else "its pictures are odd")
        for n in range(5):
            self.clock.sleep(0.1)
            if copied:
                yield CodedPicture(b"x", n == 0, "h264:1", n / 10)
            else:
                yield Picture(lambda n=n: numbered_jpeg(n), n / 10)  # type: ignore[misc]


def test_a_decision_is_told_before_its_first_frame_waits_to_be_stored() -> None:
    clock, outbox, told = SimulatedClock(), Outbox(), list[tuple[Recorded, int]]()
    outbox.open("cam", 60_000, 10**9)
    camera = Camera(
        camera_id="cam",
        source=Changing(clock),
        fps=15,
        outbox=outbox,
        clock=clock,
        newest=lambda: None,
        decided=lambda recorded: told.append((recorded, outbox.waiting("cam"))),
    )
    for _ in range(3):
        camera._read()
    frames = outbox.take(0, lambda _: True)
    firsts = [frames[at].captured_ms for at in (0, 5, 10)]
    copied, decoded, again = (recorded for recorded, _ in told)
    assert [waiting for _, waiting in told] == [0, 5, 10]
    assert copied == Recorded(copied=True, since_ms=firsts[0])
    assert decoded == Recorded(
        copied=False, since_ms=firsts[1], before=True, why="its pictures are odd"
    )
    assert again == Recorded(copied=True, since_ms=firsts[2], before=False)
    for each in (copied, decoded, again):
        state = {name: str(value) for name, value in each.to_state().items()}
        assert Recorded.of_state(state) == each
    assert decoded.copied_at(firsts[1] - 1)
    assert not decoded.copied_at(firsts[1])


@pytest.mark.parametrize("state", [{}, {"copied_since_ms": "soon"}, {"copied": "1"}])
def test_a_state_that_says_nothing_decides_nothing(state: dict[str, str]) -> None:
    assert Recorded.of_state(state) is None


@dataclass
class States:
    """What capture says."""

    known: dict[str, str] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    away: bool = False

    def states_of(self, camera_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        self.asked.append(list(camera_ids))
        return {} if self.away else dict.fromkeys(camera_ids, self.known)

    def look_at(self, camera_id: str, for_s: float) -> None:
        self.looked.append(camera_id)


def test_dispatch_records_as_the_connection_decided() -> None:
    states = States()
    configured = {"gate": RecordingPolicy(), "mine": RecordingPolicy(codec=Codec.AV1)}
    policies = Policies(configured, frozenset({"gate"}), states.states_of)
    assert policies.now(configured) == configured
    decided = Recorded(copied=True, since_ms=5000, before=False)
    states.known = {name: str(value) for name, value in decided.to_state().items()}
    now = policies.now(["gate"])["gate"]
    assert [now.at(4999).codec, now.at(5000).codec] == [Codec.H264, Codec.COPY]
    assert now.at(5000) == replace(RecordingPolicy(), codec=Codec.COPY)
    assert RecordingPolicy.from_json(now.to_json()) == now.at(5000)
    assert policies.now(["mine", "other"]) == {"mine": configured["mine"]}
    assert ("gate" in policies, "other" in policies) == (True, False)
    assert states.asked == [["gate"], ["gate"]], "in one exchange, and nobody else's"
    states.away = True
    unknown = policies.now(configured)
    assert (set(unknown), unknown.away) == ({"mine"}, {"gate"})


@pytest.mark.parametrize(
    ("codec", "start_ms", "crosses"),
    [
        (Codec.H264, 1000, True),  # goes on until after the change
        (Codec.COPY, 1000, True),  # and is not even made of what there was
        (Codec.H264, 7000, True),  # began after it, as nobody knew
        (Codec.COPY, 7000, False),
    ],
)
def test_which_recordings_do_not_go_on_as_they_are(
    codec: Codec, start_ms: int, crosses: bool
) -> None:
    policy = RecordingPolicy(codec=Codec.COPY, codec_before=Codec.H264, since_ms=5000)
    segment = LiveSegment(
        segment_id=UUID(int=1),
        camera_id="gate",
        status=SegmentStatus.RECORDING,
        start_ms=start_ms,
        deadline_ms=20_000,
        covered_to_ms=start_ms,
        policy=RecordingPolicy(codec=codec),
        needed_ms=None,
        has_due=False,
    )
    assert _crosses(segment, policy) == crosses
    assert not _crosses(segment, RecordingPolicy())


def test_the_first_decision_is_no_border() -> None:
    """A camera that has just been connected has one recording, not one of nothing before it."""
    first = RecordingPolicy(codec=Codec.COPY, since_ms=5000)
    assert (first.border_ms, first.at(1000).codec) == (None, Codec.COPY)
    assert replace(first, codec_before=Codec.H264).border_ms == 5000


def test_settings_decide_which_cameras_may_be_copied(tmp_path: Any) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(
        "defaults: {codec: auto, fps: 10}\ncameras:\n"
        '  gate: {source: "rtsp://127.0.0.1/x"}\n  web: {source: "http://127.0.0.1/x"}\n'
        '  small: {source: "rtsp://127.0.0.1/x", scale: 0.5}\n'
        '  slow: {source: "rtsp://127.0.0.1/x", fps: 5}\n'
        '  own: {source: "rtsp://127.0.0.1/x", codec: h264}\n'
    )
    settings = load(path, {})
    assert [c for c in settings.cameras if settings.may_be_copied(c)] == ["gate"]
    assert {c: settings.against_copying(c) for c in ("web", "small", "slow")} == {
        "web": "source is not RTSP",
        "small": "scale is set",
        "slow": "fps is set for this camera",
    }
    assert {settings.policy(c).codec for c in settings.cameras} == {Codec.H264}
    assert settings.copied_policy("gate").copied
    path.write_text('cameras: {gate: {source: "rtsp://127.0.0.1/x", codec: automatic}}\n')
    with pytest.raises(ConfigurationError, match="codec"):
        load(path, {})


class Packets(MemoryFrames):
    """A buffer of packets, of which every fifth is a keyframe."""

    def keyframe_before(self, camera_id: str, ms: int) -> int | None:
        found = [
            f.captured_ms for f in self.read(camera_id, 0, ms + 1) if f.packet and f.packet.keyframe
        ]
        return found[-1] if found else None


def packets_at(start_ms: int) -> list[Frame]:
    return [
        Frame("cam", start_ms + n * 100, packet.data, n, "run", PacketMark(n % 5 == 0, 0, "h264:1"))
        for n, packet in enumerate(film()[:13])
    ]


def test_a_snapshot_of_a_copied_camera_is_its_last_keyframe() -> None:
    clock, states = SimulatedClock(), States()
    frames, packets = MemoryFrames(clock), Packets(clock)
    pictures = CameraPictures(
        frames=frames, packets=packets, states=cast("Any", states), video=AvVideo,
        clock=clock, copied=lambda camera_id: camera_id == "cam",
    )  # fmt: skip
    assert pictures.newest("cam") is None
    start_ms = clock.now_ms()
    frames.append([Frame("cam", start_ms - 9000, numbered_jpeg(7), 0, "old")], LIMITS)
    packets.append(packets_at(start_ms), LIMITS)
    shown = pictures.newest("cam")
    assert shown is not None
    assert (shown.captured_ms, number_of_jpeg(shown.data)) == (start_ms + 1000, 10)
    assert pictures.newest("cam") is shown, "decoded once"
    assert states.looked == []
    pictures.newest("cam", stream=True)
    pictures.newest("cam", stream=True)
    assert states.looked == ["cam"]
    clock.sleep(3)
    frames.append([Frame("cam", start_ms + 1100, numbered_jpeg(11), 0, "run")], LIMITS)
    fresh = pictures.newest("cam", stream=True)
    assert fresh is not None
    assert number_of_jpeg(fresh.data) == 11
    assert states.looked == ["cam", "cam"]
    assert pictures.newest("web") is None


def test_a_camera_whose_connection_decides_has_one_buffer_of_two_kinds() -> None:
    clock = SimulatedClock()
    frames, packets = MemoryFrames(clock), Packets(clock)
    both = CameraBuffers(frames, packets, lambda _: None)
    jpeg = Frame("cam", 5000, numbered_jpeg(1), 0, "later")
    early = packets_at(1000)
    assert all(answer.stored for answer in both.append([*early, jpeg], LIMITS))
    bounds = both.bounds(["cam"])["cam"]
    assert (bounds.oldest_ms, bounds.newest_ms) == (1000, 5000)
    newest, mark = both.newest("cam"), both.mark_before("cam", 5000)
    assert newest is not None
    assert newest.captured_ms == 5000
    assert mark is not None
    assert mark.captured_ms == 2200


@pytest.mark.parametrize("copied_first", [True, False])
def test_a_change_is_stored_in_order_whatever_else_is_in_the_batch(copied_first: bool) -> None:
    """Another camera's frame of the other kind is in front of it."""
    clock, order = SimulatedClock(), list[tuple[str, int]]()

    class Noted(Packets):
        def append(self, frames: Sequence[Frame], limits: Any) -> list[Any]:
            order.extend((each.camera_id, each.captured_ms) for each in frames)
            return super().append(frames, limits)

    packet = replace(packets_at(1000)[0], run_id="copied")
    jpeg = Frame("cam", 1000, numbered_jpeg(1), 0, "decoded")
    early, late = (packet, jpeg) if copied_first else (jpeg, packet)
    other = replace(late, camera_id="other", captured_ms=500)
    both = CameraBuffers(Noted(clock), Noted(clock), lambda _: None)
    batch = [other, early, replace(late, captured_ms=2000)]
    both.append(batch, {**LIMITS, "other": LIMITS["cam"]})
    assert [ms for camera, ms in order if camera == "cam"] == [1000, 2000]
