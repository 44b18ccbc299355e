"""The doorway's frames and lease, with a frames Redis that fails at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from pydantic import SecretStr

from platereel import VideoRecordingService
from shared.client import service as doorway
from shared.client.wiring import Doorway
from shared.domain.errors import BadInput, Retryable
from shared.domain.media import Frame
from shared.domain.ports import Appended, BufferLimits
from shared.runtime.sections import CameraSettings
from shared.runtime.settings import Settings
from tests.support.pictures import numbered_jpeg
from tests.support.twins import MemoryFrames, SimulatedClock


@dataclass
class Redis:
    """Leases, states and frames; what is named in `broken` fails, after it has done its work."""

    clock: SimulatedClock = field(default_factory=SimulatedClock)
    owner: str | None = None
    broken: set[str] = field(default_factory=set)
    states: list[dict[str, Any]] = field(default_factory=list)

    behind_ms: int = 0  # the server's clock, to that of this host
    answers_after_s: float = 0.0

    def __post_init__(self) -> None:
        self.frames = MemoryFrames(self.clock)

    def server_ms(self, camera_id: str) -> int:
        self._answer("server_ms")
        return self.frames.server_ms(camera_id) - self.behind_ms

    def _answer(self, command: str) -> None:
        if command in self.broken:
            raise Retryable(f"{command}: the answer was lost")

    def acquire(self, camera_id: str, owner: str, ttl_s: float) -> bool:
        self.owner = self.owner or owner
        self._answer("acquire")
        self.clock.sleep(self.answers_after_s)
        return self.owner == owner

    def release(self, camera_id: str, owner: str) -> None:
        self.owner = None

    def report(self, camera_id: str, state: Mapping[str, str | int | float]) -> None:
        self._answer("report")
        self.states.append(dict(state))

    def append(self, frames: Sequence[Frame], limits: Mapping[str, BufferLimits]) -> list[Appended]:
        if "node" in self.broken:  # one server of several, as the port says it
            return [Appended(frame, stored=False, waits=True) for frame in frames]
        return self.frames.append(frames, limits)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.frames, name)

    def close(self) -> None:
        return

    def times(self) -> list[int]:
        """Capture times in the buffer, in ms after the clock's start."""
        return [
            frame.captured_ms - 1_700_000_000_000 for frame in self.frames.read("gate", 0, 10**15)
        ]


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Redis:
    made = Redis()
    parts = cast("Any", made)
    world = Doorway(
        frames=parts,
        leases=parts,
        states=parts,
        stream=parts,
        jobs=parts,
        clock=made.clock,
        close=parts.close,
        owner="push:me",
    )
    monkeypatch.setattr(doorway, "connect", lambda _: world)
    return made


@pytest.fixture
def service(redis: Redis) -> Iterator[VideoRecordingService]:
    settings = Settings(cameras={"gate": CameraSettings(source=SecretStr("push:"))})
    nothing = cast("Any", None)
    made = VideoRecordingService(nothing, nothing, settings=settings)
    yield made
    made._thread.shutdown()


def film(service: VideoRecordingService, redis: Redis, seconds: float, fps: int = 10) -> None:
    """Frames at the wall clock's time, for as long as said."""
    for _ in range(round(seconds * fps)):
        redis.clock.sleep(1 / fps)
        asyncio.run(service.add_frame(numbered_jpeg(1), redis.clock.now_ms() / 1000))


def test_a_lease_whose_answer_was_lost_is_given_back(
    redis: Redis, service: VideoRecordingService
) -> None:
    redis.broken = {"acquire"}
    film(service, redis, 0.2)
    assert redis.owner == "push:me"
    asyncio.run(service.close())
    assert redis.owner is None


def test_a_state_that_cannot_be_told_holds_no_frame_up(
    redis: Redis, service: VideoRecordingService
) -> None:
    redis.broken = {"report"}
    film(service, redis, 1)
    assert len(redis.times()) == 10


def test_frames_wait_while_their_server_of_several_is_away(
    redis: Redis, service: VideoRecordingService
) -> None:
    redis.broken = {"node"}
    film(service, redis, 2)
    redis.broken.clear()
    film(service, redis, 2)
    assert len(redis.times()) == 40
    assert service.frames_dropped == 0


def test_after_a_step_back_the_doorway_is_blind_for_no_longer_than_its_buffer_lasts(
    redis: Redis, service: VideoRecordingService
) -> None:
    """Its caller's timestamps go back by ten minutes; the stream is gone 90 s after its last
    frame.
    """
    film(service, redis, 5)
    before, clock = redis.times(), redis.clock
    clock._start_ms -= 600_000
    film(service, redis, 89)
    assert redis.times() == before
    assert redis.states[-1]["state"] == "clock_behind"
    assert "timestamps went back by" in redis.states[-1]["error"]
    redis.frames._frames.clear()
    film(service, redis, 5)
    assert 39 <= len(redis.times()) <= 50
    assert len({frame.run_id for frame in redis.frames.read("gate", 0, 10**15)}) == 1
    assert redis.states[-1]["state"] == "connected"


def test_one_frame_out_of_order_is_dropped_and_nothing_else(
    redis: Redis, service: VideoRecordingService
) -> None:
    film(service, redis, 5)
    asyncio.run(service.add_frame(numbered_jpeg(1), redis.clock.now_ms() / 1000 - 4))
    film(service, redis, 5)
    assert (len(redis.times()), service.frames_dropped) == (100, 1)


def test_frames_that_waited_are_written_although_newer_ones_went_back(
    redis: Redis, service: VideoRecordingService
) -> None:
    redis.broken = {"acquire"}
    film(service, redis, 3)
    redis.clock._start_ms -= 600_000
    redis.broken.clear()
    film(service, redis, 5)
    assert len(redis.times()) == 30


def test_a_lease_that_ran_out_before_its_answer_came_writes_nothing(
    redis: Redis, service: VideoRecordingService
) -> None:
    """The server may have given the camera to another process meanwhile."""
    redis.answers_after_s = 3.5
    film(service, redis, 0.2)
    assert redis.times() == []
    redis.answers_after_s = 0
    film(service, redis, 2)
    assert len(redis.times()) == 22


def test_a_host_whose_clock_is_ahead_of_the_frames_redis_is_refused(
    redis: Redis, service: VideoRecordingService
) -> None:
    """One frame from the future would refuse all that come after it."""
    redis.behind_ms = 600_000
    with pytest.raises(BadInput, match="more than a minute ahead of the frames Redis"):
        film(service, redis, 0.1)
    redis.behind_ms = 0
    redis.clock._start_ms -= 600_000
    service._server = None
    film(service, redis, 1)
    assert len(redis.times()) == 10


def test_frames_that_were_taken_before_the_server_told_its_time_are_judged_then(
    redis: Redis, service: VideoRecordingService
) -> None:
    redis.behind_ms, redis.broken = 600_000, {"server_ms", "acquire"}
    film(service, redis, 0.5)
    assert service.frames_dropped == 0
    redis.broken.clear()
    redis.clock.sleep(4)
    with pytest.raises(BadInput, match="more than a minute ahead of the frames Redis"):
        film(service, redis, 0.1)
    assert (redis.times(), service.frames_dropped) == ([], 5)


def test_while_the_frames_redis_tells_no_time_this_hosts_clock_counts(
    redis: Redis, service: VideoRecordingService
) -> None:
    redis.broken = {"server_ms"}
    film(service, redis, 1)
    assert len(redis.times()) == 10
    with pytest.raises(BadInput, match="more than a minute ahead"):
        asyncio.run(service.add_frame(numbered_jpeg(1), redis.clock.now_ms() / 1000 + 61))
