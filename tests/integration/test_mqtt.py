"""Events over MQTT with a real broker: one that dies, hangs, refuses, and comes back."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from services.dispatch.bell import Bell
from services.dispatch.dead_letters import DeadLetters
from services.dispatch.frigate import FrigateReads, topics_of
from services.dispatch.known_plates import KnownPlates
from services.dispatch.lanes import Lane
from services.dispatch.loop import run
from services.dispatch.mqtt import CAMERA_NEWS, Mqtt, Publishing
from services.dispatch.wiring import build
from shared.adapters.mqtt import MqttBroker
from shared.adapters.postgres.cameras import PostgresCameraNewsRows
from shared.adapters.postgres.plate_list_changes import PostgresPlateListChanges
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.adapters.postgres.webhooks import PostgresWebhookRows
from shared.adapters.redis.detections import RedisDetections
from shared.domain.camera import CameraNews, CameraState
from shared.domain.errors import Retryable
from shared.domain.events import EventName
from shared.domain.plate_lists import ListKind, ListSettings
from shared.domain.timing import from_ms
from shared.runtime.configuration import ConfigurationError
from shared.runtime.sections import MqttSettings
from shared.wire.doors.understood import Door
from shared.wire.keys import Keys
from shared.wire.mqtt import LANE, Topics, mqtt_address
from tests.support import doors as made
from tests.support.mosquitto import PASSWORD, USER, Listener, Mosquitto, mosquitto
from tests.support.servers import Servers
from tests.support.waiting import WAIT_SECONDS, wait_until
from tests.support.world import World, open_world

pytestmark = pytest.mark.apt
EVENTS = [EventName.PLATE_READ, EventName.SEGMENT_READY, EventName.CAMERA_DOWN]
CAMERAS = ("cam1", "cam.2")


@pytest.fixture(scope="module")
def opened(servers: Servers) -> Iterator[World]:
    """One for all tests here."""
    with open_world(servers) as world:
        yield world


@pytest.fixture
def world(opened: World) -> World:
    opened.database.execute("TRUNCATE outbox, webhook_deliveries, camera_news")
    return opened


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


@contextmanager
def heard(broker: Mosquitto) -> Iterator[Listener]:
    listener = Listener(broker)
    try:
        yield listener
    finally:
        listener.close()


class Site:
    """What a dispatcher has for MQTT."""

    def __init__(self, world: World, url: str, **change: Any) -> None:
        topics, self.bell = Topics("platereel"), Bell()
        self.stream = RedisDetections(
            world.redis,
            Keys(world.settings.redis_prefix, world.settings.detections_name),
            "mqtt",
            world.clock,
        )
        self.broker = MqttBroker(
            mqtt_address(url),
            client_id=f"test-{id(self)}",
            will=topics.online(there=False),
            topics=[topics.status, *topics_of("frigate")],
            rung=self.bell.ring,
        )
        self.mqtt = Mqtt(
            broker=self.broker,
            publishing=replace(
                Publishing(
                    topics=topics, discovery="homeassistant", events=EVENTS, cameras=CAMERAS
                ),
                **change,
            ),
            news=PostgresCameraNewsRows(world.database),
            clock=world.clock,
            frigate=FrigateReads(
                self.stream, DeadLetters(self.stream, world.detections), Door(cameras=CAMERAS)
            ),
        )
        self.lane: Lane = self.mqtt.lane(PostgresWebhookRows(world.database), self.bell)

    def step(self) -> int:
        """As dispatch's loop does it; a broker that is away is tried again at once."""
        self.mqtt._again_s = self.lane._open_at_s = 0.0
        return self.lane.send() if self.mqtt.ready() else 0


@contextmanager
def dispatching(world: World, url: str, **change: Any) -> Iterator[Site]:
    site = Site(world, url, **change)
    try:
        yield site
    finally:
        site.mqtt.close()


def emit(world: World, name: str, **body: Any) -> None:
    """An event, as the relay hands it to the lane."""
    world.database.execute(
        "INSERT INTO outbox (name, body) VALUES (%s, %s::jsonb)", name, json.dumps(body)
    )
    names = {*EVENTS, *CAMERA_NEWS}
    world.pacing.relay_events(lambda events: [None] * len(events), 100, {LANE: names})


def tell(world: World, camera: str, *, down: bool) -> None:
    state = CameraState.DISCONNECTED if down else CameraState.CONNECTED
    news = CameraNews(
        camera_id=camera,
        down=down,
        state=state,
        cause="it was unplugged" if down else "",
        since_ms=world.base_ms,
    )
    assert PostgresCameraNewsRows(world.database).tell([news]) == 1
    names = {*EVENTS, *CAMERA_NEWS}
    world.pacing.relay_events(lambda events: [None] * len(events), 100, {LANE: names})


def waiting(world: World) -> int:
    row = world.database.fetch_one(
        "SELECT count(*) AS left FROM webhook_deliveries WHERE delivered_at IS NULL"
    )
    return int(row["left"]) if row else 0


def due(world: World) -> None:
    world.database.execute(
        "UPDATE webhook_deliveries SET next_at = now() WHERE next_at IS NOT NULL"
    )


def test_events_states_and_what_home_assistant_finds(world: World, broker: Mosquitto) -> None:
    tell(world, "cam1", down=True)
    emit(world, "plate.read", camera_id="cam1", plate="KX07ABC", confidence=0.9)
    emit(world, "segment.recording", camera_id="cam1")
    with heard(broker) as listener, dispatching(world, broker.url) as site:
        assert site.step() == 2, "an event that nobody asked for makes no delivery"
        wait_until("the plate came", lambda: listener.last("platereel/camera/cam1/plate"))
        assert waiting(world) == 0
        assert listener.last("platereel/status") == "online"
        event = listener.last("platereel/events/plate.read")
        assert (event["event"], event["plate"]) == ("plate.read", "KX07ABC")
        assert listener.last("platereel/events/camera.down")["cause"] == "it was unplugged"
        tell(world, "cam1", down=False)
        site.step()
        wait_until(
            "it is up", lambda: listener.last("platereel/camera/cam1/state")["state"] == "up"
        )
        assert listener.of("platereel/events/camera.up") == [], "it is not in the list of events"
        found = {topic: body for topic, body, _ in listener.got if topic.endswith("/config")}
        assert len(found) == 2 * len(CAMERAS)
        problem = found["homeassistant/binary_sensor/platereel_cam1/problem/config"]
        assert problem["availability_topic"] == "platereel/status"
        assert problem["state_topic"] == "platereel/camera/cam1/state"
        ids = {body["unique_id"] for body in found.values()}
        assert len(ids) == len(found)
        assert all("." not in topic for topic in found)
    with heard(broker) as later:
        wait_until(
            "what is kept",
            lambda: later.last("platereel/status") and later.last("platereel/camera/cam1/state"),
        )
        kept = {topic for topic, _, retained in later.got if retained}
        assert later.last("platereel/status") == "offline", "it said that it goes"
        assert "platereel/camera/cam1/state" in kept
        assert not {topic for topic in kept if topic.endswith("/plate")}, "no plate is kept there"


def test_the_last_hit_of_each_list_is_published(world: World, broker: Mosquitto) -> None:
    """Lists come and go while dispatch runs."""
    lists = PostgresPlateListRows(world.database)
    known = KnownPlates(PostgresPlateListChanges(world.database), world.clock)
    topic = "homeassistant/sensor/platereel_lists/stolen_hit/config"
    with (
        heard(broker) as listener,
        dispatching(world, broker.url, events=[EventName.PLATE_HIT]) as site,
    ):
        site.mqtt.watch_lists = known.watch_lists
        site.step()
        for name, kind in (("stolen", ListKind.WATCH), ("staff", ListKind.KNOWN)):
            lists.create(ListSettings(name=name, kind=kind), "ann")
        known.load()
        world.database.execute(
            "INSERT INTO outbox (name, body) VALUES ('plate.hit', %s)",
            Jsonb({"list": "stolen", "plate": "KX07ABC", "camera_id": "cam1"}),
        )
        world.pacing.relay_events(lambda events: [None] * len(events), 100, {LANE: ["plate.hit"]})
        assert site.step() == 1
        wait_until("the hit came", lambda: listener.last("platereel/list/stolen/hit"))
        assert listener.last(topic)["state_topic"] == "platereel/list/stolen/hit"
        lists.delete("stolen", "ann")
        known.load()
        site.step()
        wait_until("it is forgotten", lambda: listener.last(topic) == "")
        assert not [name for name, *_ in listener.got if "staff" in name]
    with heard(broker) as later:
        wait_until("what is kept", lambda: later.last("platereel/status"))
        assert later.of(topic) == later.of("platereel/list/stolen/hit") == []


def test_without_plates_among_the_events_none_is_published(world: World, broker: Mosquitto) -> None:
    emit(world, "plate.read", camera_id="cam1", plate="KX07ABC")
    change = {"events": [EventName.SEGMENT_READY], "discovery": None}
    with heard(broker) as listener, dispatching(world, broker.url, **change) as site:
        site.step()
        emit(world, "segment.ready", camera_id="cam1")
        site.step()
        wait_until("the other came", lambda: listener.last("platereel/events/segment.ready"))
        assert {topic for topic, _, _ in listener.got} == {
            "platereel/status",
            "platereel/events/segment.ready",
        }


def test_a_broker_that_dies_loses_nothing_and_learns_all_anew(
    world: World, broker: Mosquitto
) -> None:
    with dispatching(world, broker.url) as site:
        tell(world, "cam1", down=True)
        site.step()
        broker.kill()
        for number in range(30):
            emit(world, "segment.ready", segment_id=str(number), camera_id="cam1")
        for _ in range(3):
            with suppress(Retryable):
                site.step()
        assert waiting(world) == 30
        broker.start()
        with heard(broker) as listener:
            due(world)
            wait_until("all came", lambda: (site.step(), waiting(world) == 0)[1])
            wait_until(
                "they are told",
                lambda: len(listener.of("platereel/events/segment.ready")) >= 30,
            )
            numbers = {body["segment_id"] for body in listener.of("platereel/events/segment.ready")}
            assert numbers == {str(number) for number in range(30)}
            assert listener.last("platereel/camera/cam1/state")["state"] == "down"
            assert listener.last("platereel/status") == "online"
            assert any(topic.endswith("/config") for topic, _, _ in listener.got)
    gave_up = world.database.fetch("SELECT FROM webhook_deliveries WHERE given_up_at IS NOT NULL")
    assert not gave_up


def test_a_broker_that_hangs_costs_one_try_and_its_reason_is_seen(
    world: World, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dispatching(world, broker.url) as site:
        site.step()
        for number in range(5):
            emit(world, "segment.ready", segment_id=str(number), camera_id="cam1")
        broker.freeze()
        with monkeypatch.context() as patched:  # a broker that answers may take its usual time
            patched.setattr("shared.adapters.mqtt.ANSWER_SECONDS", 0.3)
            assert site.step() == 1, "one is tried, the others wait"
            with pytest.raises(Retryable, match="does not answer"):
                site.step()
        rows = world.database.fetch("SELECT attempts, error FROM webhook_deliveries")
        assert sorted(row["attempts"] for row in rows) == [0, 0, 0, 0, 1]
        assert [row["error"] for row in rows if row["error"]] == [
            f"the MQTT broker 127.0.0.1:{broker.port} does not answer"
        ]
        broker.thaw()
        due(world)
        wait_until("all came", lambda: (site.step(), waiting(world) == 0)[1])


def test_a_delivery_waits_for_its_broker_however_long_it_is_away(
    world: World, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the connection breaks at each try: no try is the last one, no pause a long one."""
    emit(world, "segment.ready", segment_id="1", camera_id="cam1")
    with dispatching(world, broker.url) as site:

        def breaks(_: Any) -> None:
            raise Retryable("the MQTT broker does not answer")

        with monkeypatch.context() as patched:
            patched.setattr(site.broker, "publish", breaks)
            for _ in range(30):
                due(world)
                site.lane._open_at_s = 0.0
                assert site.lane.send() == 1
        row = world.database.fetch_one(
            "SELECT attempts, given_up_at, next_at - now() < '61 s' AS soon FROM webhook_deliveries"
        )
        assert row == {"attempts": 30, "given_up_at": None, "soon": True}
        due(world)
        assert site.step() == 1
    assert waiting(world) == 0


def test_a_broker_that_refuses_is_named_without_its_password(world: World, tmp_path: Path) -> None:
    with mosquitto(tmp_path, passwords=True) as closed:
        wrong = f"mqtt://{USER}:wrong-password@127.0.0.1:{closed.port}"
        with (
            dispatching(world, wrong) as site,
            pytest.raises(Retryable, match="refuses") as caught,
        ):
            site.step()
        assert "wrong-password" not in caught.value.message
        assert not site.mqtt.ready(), "it rests before it asks again"
        encoded = PASSWORD.replace("/", "%2F").replace(":", "%3A").replace("@", "%40")
        right = f"mqtt://{USER}:{encoded}@127.0.0.1:{closed.port}"
        with heard(closed) as listener, dispatching(world, right) as site:
            site.step()
            wait_until("it is there", lambda: listener.last("platereel/status") == "online")
    with (
        dispatching(world, f"mqtt://127.0.0.1:{closed.port}") as site,
        pytest.raises(Retryable, match="does not answer"),
    ):
        site.step()


def test_who_goes_says_so_for_himself_alone(world: World, broker: Mosquitto) -> None:
    """The will of one that was killed, and the farewell of one that ends."""
    with heard(broker) as listener, dispatching(world, broker.url) as stays:
        stays.step()
        other = Site(world, broker.url)
        other.step()
        other.broker._drop()

        def statuses() -> list[Any]:
            return listener.of("platereel/status")

        wait_until("its will came", lambda: "offline" in statuses())
        wait_until("it was corrected", lambda: (stays.step(), statuses()[-1] == "online")[1])
        other = Site(world, broker.url)
        other.step()
        other.mqtt.close()
        wait_until("its farewell came", lambda: statuses().count("offline") == 2)
        wait_until("it was corrected", lambda: (stays.step(), statuses()[-1] == "online")[1])


def test_a_dispatcher_publishes_and_says_when_it_ends(world: World, broker: Mosquitto) -> None:
    """The whole of it: an event in the outbox is relayed, and published at once."""
    mqtt = MqttSettings(url=SecretStr(broker.url), frigate="frigate")
    settings = world.settings.model_copy(
        update={"mqtt": mqtt, "cameras": dict([*world.settings.cameras.items()][:2])}
    )
    stopping = threading.Event()
    dispatcher = build(settings)
    thread = threading.Thread(target=run, args=(dispatcher, stopping))
    thread.start()
    try:
        with heard(broker) as listener:
            wait_until("it is there", lambda: listener.last("platereel/status") == "online")
            tell(world, "cam1", down=True)
            wait_until("the state came", lambda: listener.last("platereel/camera/cam1/state"))
            wait_until("the event came", lambda: listener.last("platereel/events/camera.down"))
            stopping.set()
            wait_until("it has gone", lambda: listener.last("platereel/status") == "offline")
    finally:
        stopping.set()
        thread.join(WAIT_SECONDS)


def test_without_its_package_the_configuration_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shared.adapters.mqtt", None)
    mqtt = MqttSettings(url=SecretStr("mqtt://127.0.0.1"))
    with pytest.raises(ConfigurationError, match=r"platereel\[mqtt\]"):
        build(world.settings.model_copy(update={"mqtt": mqtt}))


def test_what_frigate_reads_becomes_detections(world: World, broker: Mosquitto) -> None:
    at = world.clock.now_ms() / 1000 - 1
    keys = Keys(world.settings.redis_prefix, world.settings.detections_name)
    world.redis.delete(keys.detections, keys.rejected)
    with heard(broker) as frigate, dispatching(world, broker.url) as site:
        site.step()
        for body in (
            made.frigate_event(frame_time=at),
            made.frigate_event(frame_time=at, recognized_license_plate=None),
            made.frigate_event(frame_time=at, camera="porch"),
        ):
            frigate.publish("frigate/events", body)
        frigate.publish("frigate/tracked_object_update", made.frigate_read(timestamp=at))
        frigate.publish("frigate/tracked_object_update", {"type": "description", "id": "1"})
        frigate.publish("frigate/events", b"no json")
        frigate.publish("elsewhere/events", made.frigate_event(frame_time=at))

        def stored() -> list[Any]:
            site.step()
            found: Any = world.redis.xrange(keys.detections)
            return [json.loads(fields[b"json"]) for _, fields in found]

        wait_until("both came", lambda: len(stored()) == 2)
        wait_until(
            "the others are told", lambda: (site.step(), world.redis.xlen(keys.rejected) == 2)[1]
        )
        assert {each["plate"] for each in stored()} == {made.PLATE}
        assert len({each["detection_id"] for each in stored()}) == 1, "two topics, one read"
        assert {each["captured_at"] for each in stored()} == {
            from_ms(round(at * 1000)).isoformat(timespec="milliseconds")
        }
        rejected: Any = world.redis.xrange(keys.rejected)
        reasons = [fields[b"reason"].decode() for _, fields in rejected]
        assert any("no camera porch" in reason for reason in reasons)
        assert any("not JSON" in reason for reason in reasons)


def test_a_read_that_cannot_be_stored_now_is_stored_later(
    world: World, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(world.settings.redis_prefix, world.settings.detections_name)
    world.redis.delete(keys.detections)
    at = world.clock.now_ms() / 1000 - 1
    with heard(broker) as frigate, dispatching(world, broker.url) as site:
        site.step()
        whole = site.stream.publish

        def away(_: bytes) -> str:
            raise Retryable("the broker Redis does not answer")

        monkeypatch.setattr(site.stream, "publish", away)
        frigate.publish("frigate/tracked_object_update", made.frigate_read(timestamp=at))
        wait_until("it came", lambda: site.broker._waiting)
        for _ in range(3):
            with pytest.raises(Retryable, match="Redis"):
                site.step()
        monkeypatch.setattr(site.stream, "publish", whole)
        site.step()
        assert world.redis.xlen(keys.detections) == 1
