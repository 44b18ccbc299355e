"""Addresses, topics and settings of MQTT; the pauses between tries, with time that is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from services.dispatch.mqtt import LONGEST_PAUSE_SECONDS, Mqtt, Publishing
from shared.domain.camera import CameraNews, CameraState
from shared.domain.errors import Retryable
from shared.domain.events import EventName
from shared.domain.ports import Message, WebhookDelivery
from shared.runtime.configuration import ConfigurationError, load
from shared.wire.mqtt import MqttAddress, MqttMessage, Topics, discovery, mqtt_address
from tests.support.twins import SimulatedClock

WRONG_URLS = [
    "",
    "mqtt://",
    "http://broker",
    "broker:1883",
    "mqtt://broker:port",
    "mqtt://broker:99999",
    "mqtt://broker/topic",
    "mqtt://broker?x=1",
    "mqtts://[::1",
]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker", MqttAddress("broker", 1883, secure=False)),
        ("mqtts://broker/", MqttAddress("broker", 8883, secure=True)),
        ("mqtt://[::1]:99", MqttAddress("::1", 99, secure=False)),
        (
            "mqtts://me:p%40ss%2Fword@b.example:1",
            MqttAddress("b.example", 1, secure=True, user="me", password="p@ss/word"),
        ),
    ],
)
def test_addresses_are_read(url: str, address: MqttAddress) -> None:
    assert mqtt_address(url) == address
    assert "word" not in repr(address)


@pytest.mark.parametrize("url", WRONG_URLS)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://user:password@host"):
        mqtt_address(url)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("{}", "mqtt.url"),
        ("{url: 'redis://secret-word@h'}", "mqtt.url"),
        ("{url: 'mqtt://h', prefix: 'a/#'}", "mqtt.prefix"),
        ("{url: 'mqtt://h', prefix: ''}", "mqtt.prefix"),
        ("{url: 'mqtt://h', frigate: '+'}", "mqtt.frigate"),
        ("{url: 'mqtt://h', discovery: /}", "mqtt.discovery"),
        ("{url: 'mqtt://h', events: [camera.changed]}", "mqtt.events"),
        ("{url: 'mqtt://h', topic: x}", "unknown key"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, lines: str, named: str) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(f"mqtt: {lines}\n")
    with pytest.raises(ConfigurationError, match=named) as caught:
        load(path, {})
    assert "secret-word" not in str(caught.value)


def test_a_webhook_does_not_take_the_name_of_the_lane(tmp_path: Path) -> None:
    path = tmp_path / "platereel.yaml"
    webhook = "webhooks: [{name: mqtt, url: 'https://x', secret: 0123456789abcdef}]\n"
    path.write_text(webhook)
    assert load(path, {}).webhooks
    path.write_text(f"{webhook}mqtt: {{url: 'mqtt://h'}}\n")
    with pytest.raises(ConfigurationError, match="another"):
        load(path, {})


def test_home_assistant_finds_each_camera_under_a_name_of_its_own() -> None:
    cameras = ["a.b", "a_b", "a-b"]
    topics = Topics("site/platereel")
    found = list(discovery(topics, "ha", cameras, [EventName.PLATE_READ]))
    bodies = [json.loads(each.payload) for each in found]
    assert len({each.topic for each in found}) == len(found) == 6
    assert len({each["unique_id"] for each in bodies}) == 6
    assert all(each.retained for each in found)
    assert {each["state_topic"] for each in bodies} == {
        topic for camera in cameras for topic in (topics.state(camera), topics.plate(camera))
    }
    without = list(discovery(topics, "ha", cameras, [EventName.SEGMENT_READY]))
    assert {each.topic.split("/")[1] for each in without} == {"binary_sensor"}


class Broker:
    """A broker that is there, and loses its memory when `forget` is set."""

    def __init__(self) -> None:
        self.forgets, self.got = True, list[tuple[str, Any]]()

    def connect(self) -> bool:
        was, self.forgets = self.forgets, False
        return was

    def publish(self, messages: Sequence[Message]) -> None:
        self.got += [
            (each.topic, json.loads(each.payload) if each.payload else None)
            for each in messages
            if "list" in each.topic
        ]

    def received(self) -> list[tuple[str, bytes]]:
        return []

    def close(self, last: Message) -> None:
        pass


def test_home_assistant_follows_the_watch_lists() -> None:
    broker, lists = Broker(), ["stolen", "a-b"]
    publishing = Publishing(
        topics=Topics("p"), discovery="ha", events=[EventName.PLATE_HIT], cameras=[]
    )
    mqtt = Mqtt(
        broker=broker, publishing=publishing, news=cast("Any", NoNews()), clock=SimulatedClock(),
        watch_lists=lambda: list(lists),
    )  # fmt: skip

    def told() -> dict[str, Any]:
        broker.got.clear()
        assert mqtt.ready()
        return dict(broker.got)

    stolen, other = "ha/sensor/p_lists/stolen_hit/config", "ha/sensor/p_lists/a-b_hit/config"
    first = told()
    assert set(first) == {stolen, other}
    assert first[stolen]["state_topic"] == Topics("p").hit("stolen") == "p/list/stolen/hit"
    assert first[stolen]["unique_id"] != first[other]["unique_id"]
    assert told() == {}
    lists.remove("stolen")
    assert told() == {stolen: None}
    lists.append("new")
    assert set(told()) == {"ha/sensor/p_lists/new_hit/config"}
    broker.forgets = True
    lists.remove("a-b")  # while the connection was broken
    again = told()
    assert (set(again), again[other]) == ({other, "ha/sensor/p_lists/new_hit/config"}, None)


def test_a_camera_that_is_gone_is_forgotten() -> None:
    """What the broker keeps of it would be shown for ever."""
    known = {
        each: CameraNews(
            camera_id=each, down=False, state=CameraState.CONNECTED, cause="", since_ms=0
        )
        for each in ("gate", "gone")
    }

    class News:
        def told(self) -> dict[str, CameraNews]:
            return known

    published: list[MqttMessage] = []

    class Keeper(Broker):
        def publish(self, messages: Sequence[Message]) -> None:
            published.extend(cast("Sequence[MqttMessage]", messages))

    publishing = Publishing(
        topics=Topics("p"), discovery="ha", events=[EventName.PLATE_READ], cameras=["gate"]
    )
    mqtt = Mqtt(
        broker=Keeper(), publishing=publishing, news=cast("Any", News()), clock=SimulatedClock(),
        watch_lists=list,
    )  # fmt: skip
    assert mqtt.ready()
    empty = {each.topic for each in published if each.payload == b""}
    assert empty == {
        Topics("p").state("gone"),
        "ha/binary_sensor/p_gone/problem/config",
        "ha/sensor/p_gone/plate/config",
    }
    assert all(each.retained for each in published)
    assert Topics("p").state("gate") in {each.topic for each in published if each.payload}


class Keeping(Broker):
    """Keeps retained messages. meanwhile: what happens before the next one is published."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, bytes] = {}
        self.meanwhile: list[Callable[[], object]] = []

    def publish(self, messages: Sequence[Message]) -> None:
        if self.meanwhile:
            self.meanwhile.pop()()
        self.kept |= {each.topic: each.payload for each in messages if each.retained}


@pytest.mark.parametrize("anew", [False, True], ids=["event", "connection"])
def test_a_dispatcher_that_stalls_leaves_no_older_state_of_a_camera(anew: bool) -> None:
    broker, known = Keeping(), dict[str, CameraNews]()
    publishing = Publishing(topics=Topics("p"), discovery=None, events=[], cameras=["gate"])
    slow, other = (
        Mqtt(
            broker=broker, publishing=publishing, clock=SimulatedClock(),
            news=cast("Any", SimpleNamespace(told=lambda: dict(known))),
        )
        for _ in range(2)
    )  # fmt: skip

    def tell(*, down: bool) -> WebhookDelivery:
        state = CameraState.DISCONNECTED if down else CameraState.CONNECTED
        known["gate"] = CameraNews(camera_id="gate", down=down, state=state, cause="", since_ms=0)
        name = EventName.CAMERA_DOWN if down else EventName.CAMERA_UP
        return WebhookDelivery(UUID(int=1), "mqtt", name, {"camera_id": "gate"}, 0)

    down = tell(down=True)
    broker.meanwhile.append(lambda: other.carry(tell(down=False)))
    assert slow.ready() if anew else slow.carry(down) is None
    assert json.loads(broker.kept[Topics("p").state("gate")])["state"] == "up"


@pytest.mark.parametrize(
    "change", [{"discovery": None}, {"events": [EventName.PLATE_READ]}], ids=str
)
def test_no_list_is_named_where_that_is_not_asked_for(change: dict[str, Any]) -> None:
    broker = Broker()
    given = {"discovery": "ha", "events": [EventName.PLATE_HIT]} | change
    mqtt = Mqtt(
        broker=broker, publishing=Publishing(topics=Topics("p"), cameras=[], **given),
        news=cast("Any", NoNews()), clock=SimulatedClock(), watch_lists=lambda: ["stolen"],
    )  # fmt: skip
    assert mqtt.ready()
    assert broker.got == []


@dataclass
class Away:
    """A broker that does not answer until it is back."""

    tries: int = 0
    back: bool = False
    published: list[str] = field(default_factory=list)

    def connect(self) -> bool:
        self.tries += 1
        if not self.back:
            raise Retryable("the MQTT broker does not answer")
        return self.tries > 0

    def publish(self, messages: Sequence[Message]) -> None:
        self.published += [each.topic for each in messages]

    def received(self) -> list[tuple[str, bytes]]:
        return []

    def close(self, last: Message) -> None:
        self.published.append(last.topic)


class Staying(Away):
    """A broker that stays connected."""

    def connect(self) -> bool:
        self.tries += 1
        return self.tries == 1


class NoNews:
    def told(self) -> dict[str, Any]:
        return {}


def test_a_broker_that_is_away_is_asked_seldom_and_found_soon() -> None:
    clock, broker = SimulatedClock(), Away()
    mqtt = Mqtt(
        broker=broker,
        publishing=Publishing(topics=Topics("p"), discovery=None, events=[], cameras=["gate"]),
        news=cast("Any", NoNews()),
        clock=clock,
    )
    for _ in range(3600):
        with suppress(Retryable):
            assert not mqtt.ready()
        clock.sleep(1.0)
    assert 3600 / LONGEST_PAUSE_SECONDS <= broker.tries <= 3600 / LONGEST_PAUSE_SECONDS + 6
    broker.back = True
    clock.sleep(LONGEST_PAUSE_SECONDS)
    assert mqtt.ready()
    assert broker.published == ["p/status"]


def test_a_broker_learns_all_although_the_database_was_away_when_it_was_connected() -> None:
    clock, broker, away = SimulatedClock(), Staying(), [True]

    def told() -> dict[str, CameraNews]:
        if away:
            away.pop()
            raise Retryable("the database does not answer")
        return {}

    mqtt = Mqtt(
        broker=broker,
        publishing=Publishing(topics=Topics("p"), discovery=None, events=[], cameras=["gate"]),
        news=cast("Any", SimpleNamespace(told=told)),
        clock=clock,
    )
    with pytest.raises(Retryable, match="database"):
        mqtt.ready()
    clock.sleep(LONGEST_PAUSE_SECONDS)
    assert mqtt.ready()
    assert broker.published == ["p/status"]
