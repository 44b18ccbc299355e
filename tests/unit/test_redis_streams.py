"""The streams' adapters on a Redis in memory: what a message goes through, and what strangers leave
in a stream.

Plain commands only. Scripts with flags, clusters and what a server does when it is full need real
servers (tests/contract, tests/integration).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.redis.detections import CLAIM_EVERY_SECONDS, RedisChannel, RedisDetections
from shared.adapters.redis.events import RedisEventFeed, RedisEvents
from shared.domain.errors import Retryable
from shared.domain.ports import DetectionDelivery
from shared.wire.keys import GROUP, Keys
from tests.support.twins import SimulatedClock

KEYS = Keys("unit", "unit-detections")


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
def client(server: fakeredis.FakeServer) -> Iterator[redis.Redis]:
    with fakeredis.FakeRedis(server=server) as client:
        yield client


def reader(client: redis.Redis, name: str) -> tuple[RedisDetections, SimulatedClock]:
    clock = SimulatedClock(0)
    return RedisDetections(client, KEYS, name, clock), clock


def test_a_message_is_read_once_and_settled(client: redis.Redis) -> None:
    stream, _ = reader(client, "a")
    other, _ = reader(client, "b")
    entry = stream.publish(b'{"camera_id":"gate-1"}')
    stream.hint("gate-1", "d1")
    first, second = stream.read(10, 0.01)
    assert (first.entry_id, first.fields, first.tries) == (
        entry,
        {b"json": b'{"camera_id":"gate-1"}'},
        0,
    )
    assert second.fields == {b"hint": b"d1", b"camera": b"gate-1"}
    assert other.read(10, 0.01) == []
    stream.ack([first.entry_id, second.entry_id])
    assert client.xpending(KEYS.detections, GROUP)["pending"] == 0


def test_what_a_dead_reader_left_is_read_by_another_with_its_tries(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.redis.detections.CLAIM_IDLE_MS", 0)
    dead, _ = reader(client, "dead")
    entry = dead.publish(b"{}")
    assert [each.entry_id for each in dead.read(10, 0.01)] == [entry]
    heir, clock = reader(client, "heir")
    assert [(each.entry_id, each.tries) for each in heir.read(10, 0.01)] == [(entry, 1)]
    heir.put_off([entry], 4)
    clock.sleep(CLAIM_EVERY_SECONDS)
    assert [(each.entry_id, each.tries) for each in heir.read(10, 0.01)] == [(entry, 4)]


def test_a_wiped_broker_is_begun_anew(client: redis.Redis) -> None:
    stream, clock = reader(client, "a")
    stream.publish(b"{}")
    (before,) = stream.read(10, 0.01)
    client.flushall()
    stream.keep([before.entry_id])
    stream.put_off([before.entry_id])
    clock.sleep(CLAIM_EVERY_SECONDS)
    entry = stream.publish(b"{}")
    assert [each.entry_id for each in stream.read(10, 0.01)] == [entry]


def test_nothing_that_is_not_settled_is_trimmed(client: redis.Redis) -> None:
    stream, _ = reader(client, "a")
    for moment in range(200):
        client.xadd(KEYS.detections, {"json": "{}"}, id=f"{1_000 + moment}-0")
    read = stream.read(50, 0.01)
    stream.ack([each.entry_id for each in read[:-1]])
    stream.trim(10_000)
    assert client.xrange(KEYS.detections, min=read[-1].entry_id, count=1)
    assert len(stream.read(200, 0.01)) == 150


def test_what_is_delivered_while_the_stream_is_trimmed_stays(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, _ = reader(client, "a")
    other, _ = reader(client, "b")
    for moment in range(200):
        client.xadd(KEYS.detections, {"json": "{}"}, id=f"{1_000 + moment}-0")
    stream.ack([each.entry_id for each in stream.read(50, 0.01)])
    read: list[DetectionDelivery] = []
    ask: Any = client.execute_command

    def execute_command(*given: Any, **named: Any) -> Any:
        answer = ask(*given, **named)
        if given[0] in {"XPENDING", "XINFO GROUPS"} and not read:
            read.extend(other.read(200, 0.01))
        return answer

    monkeypatch.setattr(client, "execute_command", execute_command)
    stream.trim(10_000)
    assert len(read) == 150
    left: Any = client.xrange(KEYS.detections)
    assert {each.entry_id.encode() for each in read} <= {entry_id for entry_id, _ in left}


def test_a_dead_letter_is_kept_with_its_reason(client: redis.Redis) -> None:
    stream, _ = reader(client, "a")
    stream.reject("1-0", b"\xff" * 100_000, "detection: half of \ud800")
    kept: Any = client.xrange(KEYS.rejected)
    ((_, fields),) = kept
    assert (fields[b"entry"], fields[b"reason"]) == (b"1-0", b"detection: half of ?")
    assert len(fields[b"json"]) == 64 * 1024


def test_what_is_said_is_heard_by_all_and_claimed_by_one(
    server: fakeredis.FakeServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # however much later the second one claims it here
    monkeypatch.setattr("shared.adapters.redis.detections.SAME_MESSAGE_MS", 60_000)
    with fakeredis.FakeRedis(server=server) as second:
        ears = [RedisChannel(client, KEYS), RedisChannel(second, KEYS)]
        for ear in ears:
            ear.listen(0.01)
        client.publish(KEYS.detections, b'{"camera_id":"gate-1"}')
        heard = [(ear, payload) for ear in ears for _ in range(3) for payload in ear.listen(0.05)]
        claimed = [ear.claim(payload) for ear, payload in heard]
        for ear in ears:
            ear.close()
    assert [payload for _, payload in heard] == [b'{"camera_id":"gate-1"}'] * 2
    assert claimed == [True, False]


def test_events_are_read_on_from_where_a_listener_was(client: redis.Redis) -> None:
    feed = RedisEventFeed(client, KEYS)
    assert feed.last() == "0-0"
    assert (
        RedisEvents(client, KEYS).publish_all([("segment.ready", {"n": n}) for n in range(3)])
        == [None] * 3
    )
    first, *_ = feed.read("0-0", 10)
    assert [event.body["n"] for event in feed.read(first.entry_id, 10)] == [1, 2]
    assert feed.read(feed.last(), 10) == []
    assert feed.wait(first.entry_id, 5)
    assert not feed.wait(feed.last(), 0.01)


def test_a_broker_that_is_away_is_told(server: fakeredis.FakeServer, client: redis.Redis) -> None:
    stream, _ = reader(client, "a")
    server.connected = False
    for call in (
        lambda: stream.publish(b"{}"),
        lambda: stream.read(1, 0.01),
        RedisEventFeed(client, KEYS).last,
    ):
        with pytest.raises(Retryable, match="broker"):
            call()


@given(
    st.dictionaries(st.sampled_from([b"event", b"json", b"x"]), st.binary(max_size=40), min_size=1)
)
def test_whatever_strangers_leave_in_the_events_a_listener_goes_on(
    fields: dict[bytes, bytes],
) -> None:
    with fakeredis.FakeRedis() as client:
        client.flushall()
        client.xadd(KEYS.events, fields)
        RedisEvents(client, KEYS).publish_all([("segment.ready", {"n": 1})])
        strange, mine = RedisEventFeed(client, KEYS).read("0-0", 10)
    assert (mine.name, mine.body) == ("segment.ready", {"n": 1})
    assert json.dumps([strange.name, strange.body])
