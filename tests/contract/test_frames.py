"""The frame buffer, in memory and on a real Redis server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Protocol

import pytest
import redis

from shared.adapters.clock import SystemClock
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.client import redis_client
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import OneServer
from shared.domain.errors import Retryable
from shared.domain.media import Frame
from shared.domain.ports import Bounds, BufferLimits, FrameBuffer, HandOver, Holds
from shared.wire.keys import Keys
from tests.support.servers import Servers
from tests.support.twins import MemoryFrames

JPEG = b"\xff\xd8" + bytes(30_000) + b"\xff\xd9"
LIMIT = BufferLimits(keep_ms=5_000, cap_ms=20_000, max_bytes=100_000_000)
_names = count(1)


class Buffer(FrameBuffer, Holds, Protocol):
    """Both ports, as every adapter has them."""


@pytest.fixture(params=["memory", "valkey"])
def buffer(request: pytest.FixtureRequest) -> Iterator[Buffer]:
    if request.param == "memory":
        yield MemoryFrames(SystemClock())
        return
    servers: Servers = request.getfixturevalue("servers")
    with redis_client(servers.redis_url) as client:
        yield RedisFrames(OneServer(client), Keys(f"test{next(_names)}"))


def frames(start: int, end: int, every: int = 100, run: str = "r", first: int = 0) -> list[Frame]:
    return [
        Frame(camera_id="cam", captured_ms=ms, data=JPEG, counter=first + n, run_id=run)
        for n, ms in enumerate(range(start, end, every))
    ]


def times(buffer: Buffer, start: int = 0, end: int = 10**9) -> list[int]:
    return [frame.captured_ms for frame in buffer.read("cam", start, end)]


def test_frames_come_back_in_order_and_whole(buffer: Buffer) -> None:
    given = frames(1000, 3000)
    assert all(answer.stored for answer in buffer.append(given, {"cam": LIMIT}))
    assert list(buffer.read("cam", 0, 10**9)) == given
    assert times(buffer, 1200, 1500) == [1200, 1300, 1400]
    assert buffer.newest("cam") == given[-1]
    bounds = buffer.bounds(["cam", "other"])
    assert (bounds["cam"].oldest_ms, bounds["cam"].newest_ms) == (1000, 2900)
    assert "other" not in bounds


def test_an_empty_camera(buffer: Buffer) -> None:
    assert buffer.newest("cam") is None
    assert buffer.bounds(["cam"]) == {}
    assert times(buffer) == []
    assert buffer.mark_before("cam", 10) is None


def test_time_trims_what_nobody_needs(buffer: Buffer) -> None:
    for frame in frames(1000, 12_000):
        buffer.append([frame], {"cam": LIMIT})
    assert 11_900 - 5_250 <= times(buffer)[0] <= 11_900 - 5_000


def test_a_hold_keeps_frames_with_a_second_of_margin(buffer: Buffer) -> None:
    buffer.append(frames(1000, 6000), {"cam": LIMIT})
    buffer.hold("cam", {"segment": 4000, "other": 8000})
    for frame in frames(6000, 16_000, first=50):
        buffer.append([frame], {"cam": LIMIT})
    assert times(buffer)[0] == 3000
    buffer.release("cam", ["segment", "unknown"])
    assert buffer.holds("cam") == {"other": 8000}
    for frame in frames(16_000, 17_000, first=150):
        buffer.append([frame], {"cam": LIMIT})
    assert times(buffer)[0] == 7000


def test_holds_of_many_cameras_come_with_what_their_buffers_have(buffer: Buffer) -> None:
    buffer.append(frames(1000, 3000), {"cam": LIMIT})
    bounds = buffer.hold_then_bounds({"cam": {"d:1": 1500, "d:2": 1700}, "empty": {"d:3": 5}})
    assert bounds == {"cam": Bounds(1000, 2900)}
    assert bounds.away == set()
    assert buffer.holds("cam") == {"d:1": 1500, "d:2": 1700}
    assert buffer.hold_all({"empty": {"d:3": 6}, "other": {"d:4": 7}}) == {"empty", "other"}
    assert [buffer.holds(each) for each in ("empty", "other")] == [{"d:3": 6}, {"d:4": 7}]


def test_a_new_segment_takes_over_and_one_that_is_held_keeps_its_own(buffer: Buffer) -> None:
    buffer.hold("cam", {"d:1": 1500, "old": 9000})
    buffer.hold("two", {"d:2": 1500})
    changes = {
        "cam": HandOver({"new": 1500, "old": 1500}, ["d:1", "unknown"]),
        "two": HandOver({}, ["d:2"]),
        "three": HandOver({"new": 1}, []),
    }
    assert buffer.hand_over(changes) == {"cam": True, "two": False, "three": True}
    assert buffer.holds("cam") == {"new": 1500, "old": 9000}
    assert buffer.holds("two") == {}
    assert buffer.hand_over(changes) == {"cam": False, "two": False, "three": False}


def test_a_hold_never_outlasts_the_cap(buffer: Buffer) -> None:
    buffer.hold("cam", {"segment": 0})
    for frame in frames(1000, 40_000, every=500):
        buffer.append([frame], {"cam": LIMIT})
    assert times(buffer)[0] == 39_500 - 20_000


def test_bytes_are_bounded_whatever_is_held(buffer: Buffer) -> None:
    limit = BufferLimits(5_000, 20_000, max_bytes=10 * len(JPEG))
    buffer.hold("cam", {"segment": 0})
    for frame in frames(1000, 8000):
        buffer.append([frame], {"cam": limit})
    assert len(times(buffer)) == 10


def test_a_frame_that_is_there_already_is_no_error_but_an_older_one_is_refused(
    buffer: Buffer,
) -> None:
    """A retry after a lost reply changes nothing; a woken owner cannot write beneath its
    successor.
    """
    given = frames(1000, 1500)
    buffer.append(given, {"cam": LIMIT})
    again = buffer.append(given[-1:], {"cam": LIMIT})
    assert again[0].stored
    zombie = buffer.append(
        [Frame(camera_id="cam", captured_ms=1350, data=JPEG, counter=0, run_id="zombie")],
        {"cam": LIMIT},
    )
    assert not zombie[0].stored
    same_time = buffer.append(
        [Frame(camera_id="cam", captured_ms=1400, data=JPEG, counter=0, run_id="zombie")],
        {"cam": LIMIT},
    )
    assert not same_time[0].stored
    assert len(times(buffer)) == 5


def test_marks_carry_time_and_number(buffer: Buffer) -> None:
    buffer.append(frames(1000, 2000), {"cam": LIMIT})
    after = buffer.mark_after("cam", 1500)
    assert after is not None
    assert (after.captured_ms, after.counter, after.run_id) == (1500, 5, "r")
    assert buffer.mark_after("cam", 10**9) is None
    mark = buffer.mark_before("cam", 1500)
    assert mark is not None
    assert (mark.captured_ms, mark.counter, mark.run_id) == (1400, 4, "r")


def test_a_removed_camera_frees_its_memory(servers: Servers) -> None:
    """The stream expires; nobody has to remember the camera."""
    with redis_client(servers.redis_url) as client:
        keys = Keys(f"test{next(_names)}")
        RedisFrames(OneServer(client), keys).append(frames(1000, 2000), {"cam": LIMIT})
        left = client.pttl(keys.frames("cam"))
        assert 20_000 < int(left) <= 20_000 + 5_000 + 15_000


def test_a_frames_redis_at_its_memory_limit_gives_up_pre_roll_first(servers: Servers) -> None:
    with redis_client(servers.redis_url) as client:
        keys = Keys(f"test{next(_names)}")
        buffer = RedisFrames(OneServer(client), keys)
        buffer.append(frames(1000, 6000), {"cam": LIMIT})
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used - 50_000)
        try:
            answer = buffer.append(frames(6000, 6100, first=50), {"cam": LIMIT})
            assert answer[0].stored
            assert times(buffer)[0] == 6000 - 2500
            assert times(buffer)[-1] == 6000
        finally:
            client.config_set("maxmemory", 500_000_000)


@contextmanager
def at_the_limit(client: redis.Redis) -> Iterator[None]:
    """The server has no byte left for anything new."""
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 500_000_000)


def test_at_the_memory_limit_leases_and_holds_still_work_and_frames_wait(servers: Servers) -> None:
    """Else nobody could keep a camera, and nobody would be left to free memory."""
    with redis_client(servers.redis_url) as client:
        keys = Keys(f"test{next(_names)}")
        frames_, cameras = (
            RedisFrames(OneServer(client), keys),
            RedisCameras(OneServer(client), keys),
        )
        frames_.append(frames(1000, 5000), {"cam": LIMIT})
        with at_the_limit(client):
            assert cameras.acquire("cam", "me", 3)
            assert cameras.enrol("me", 3) == 1
            cameras.report("cam", {"state": "connected"})
            frames_.hold("cam", {"segment": 4500})
            assert frames_.bounds(["cam"])["cam"].newest_ms == 4900
            with pytest.raises(Retryable, match="maxmemory"):
                frames_.append(frames(5000, 5100, first=40), {"cam": LIMIT})
            bounds = frames_.bounds(["cam"])["cam"]
            assert 2800 <= bounds.oldest_ms <= 3000  # half of the pre-roll went
            for _ in range(8):
                with pytest.raises(Retryable):
                    frames_.append(frames(5000, 5100, first=40), {"cam": LIMIT})
            assert frames_.bounds(["cam"])["cam"].oldest_ms == 4500  # what is held stays
        (answer,) = frames_.append(frames(5000, 5100, first=40), {"cam": LIMIT})
        assert answer.stored


def test_room_is_made_from_pre_roll_and_counted(servers: Servers) -> None:
    with redis_client(servers.redis_url) as client:
        frames_ = RedisFrames(OneServer(client), Keys(f"test{next(_names)}"))
        frames_.append(frames(1000, 21000), {"cam": BufferLimits(60_000, 60_000, 10**9)})
        used: Any = client.info("memory")
        client.config_set("maxmemory", used["used_memory"] - 100_000)
        try:
            answers = frames_.append(
                frames(21000, 21300, first=200), {"cam": BufferLimits(60_000, 60_000, 10**9)}
            )
        finally:
            client.config_set("maxmemory", 500_000_000)
        assert all(answer.stored for answer in answers)
        assert sum(answer.shed for answer in answers) == pytest.approx(100, abs=3)


def test_a_hold_that_is_set_while_room_is_made_is_kept(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_client(servers.redis_url) as client, redis_client(servers.redis_url) as other:
        keys = Keys(f"test{next(_names)}")
        buffer, holder = RedisFrames(OneServer(client), keys), RedisFrames(OneServer(other), keys)
        buffer.append(frames(1000, 5000), {"cam": LIMIT})
        send: Any = client.execute_command

        def execute_command(*given: Any, **named: Any) -> Any:
            if given[0] in {"EVALSHA", "XTRIM"}:  # what deletes, whichever it is
                holder.hold("cam", {"segment": 1500})
            return send(*given, **named)

        monkeypatch.setattr(client, "execute_command", execute_command)
        with at_the_limit(client), pytest.raises(Retryable):
            buffer.append(frames(5000, 5100, first=40), {"cam": LIMIT})
        assert holder.bounds(["cam"])["cam"].oldest_ms == 1500


def test_a_new_owner_keeps_what_others_hold(servers: Servers) -> None:
    """Its first append already; the one who held it before knew, and is gone."""
    with redis_client(servers.redis_url) as client:
        keys = Keys(f"test{next(_names)}")
        first, second = RedisFrames(OneServer(client), keys), RedisFrames(OneServer(client), keys)
        first.append(frames(1000, 3000), {"cam": LIMIT})
        first.hold("cam", {"segment": 2000})
        second.append(frames(12000, 12500, first=110, run="other"), {"cam": LIMIT})
        assert second.bounds(["cam"])["cam"].oldest_ms == 1000


def test_after_an_outage_trimming_waits_for_those_who_could_not_say_what_they_need(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_client(servers.redis_url) as client:
        buffer = RedisFrames(OneServer(client), Keys(f"test{next(_names)}"))
        buffer.append(frames(1000, 3000), {"cam": LIMIT})
        with monkeypatch.context() as patch:

            def away(*_: object, **__: object) -> None:
                raise redis.ConnectionError

            patch.setattr(client, "pipeline", away)
            with pytest.raises(Retryable):
                buffer.append(frames(12000, 12100, first=110), {"cam": LIMIT})
        buffer.append(frames(12000, 12100, first=110), {"cam": LIMIT})
        assert times(buffer)[0] == 1000
        buffer.append(frames(17400, 17500, first=164), {"cam": LIMIT})
        assert times(buffer) == [17400]


def test_bytes_count_after_a_camera_was_set_back_by_more_than_its_buffer_holds(
    buffer: Buffer,
) -> None:
    """Its stream had expired; without a beginning anew its bytes would not count until its time has
    caught up.
    """
    limit = BufferLimits(20_000, 20_000, 100_000)
    buffer.append(frames(1_000_000, 1_003_000), {"cam": limit})
    expire(buffer)
    for start in range(1000, 9000, 1000):
        buffer.append(frames(start, start + 1000, run="later"), {"cam": limit})
    kept = times(buffer)
    assert sum(len(JPEG) for _ in kept) <= 400_000  # a whole node of a stream goes at a time
    assert kept[-1] == 8900


def expire(buffer: Buffer) -> None:
    if isinstance(buffer, RedisFrames):
        for node in buffer._servers.nodes():
            node.delete(buffer._key("cam"))
    else:
        vars(buffer)["_frames"].clear()
