"""What strangers send to the doors for detections: over HTTP, and in the stream of a real
broker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
from starlette.testclient import TestClient

from services.api.wiring import build
from services.dispatch.intake import MOST_TRIES, Intake, IntakePorts
from services.dispatch.policies import Policies
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.redis.detections import CLAIM_IDLE_MS, RedisChannel, RedisDetections
from shared.domain.access import Role
from shared.domain.errors import Retryable
from shared.domain.media import Detection
from shared.domain.timing import from_ms
from shared.wire.keys import GROUP, Keys
from tests.support.rows import ready
from tests.support.world import POLICY, World

DETECTIONS, PLATE_RECOGNIZER = "/v2/video/detections", "/v2/video/plate-recognizer"
GOOD = {"camera_id": "cam1", "confidence": 0.9}


@pytest.fixture
def api(world: World) -> Iterator[TestClient]:
    """The API, whose unexpected errors are answers as they are for a stranger."""
    with TestClient(
        build(world.settings), base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (json.dumps({**GOOD, "captured_at": "0001-01-01T00:00:00+01:00"}).encode(), "captured_at"),
        (json.dumps({**GOOD, "captured_at": "9999-12-31T23:59:59-01:00"}).encode(), "captured_at"),
        (
            b'{"camera_id":"cam1","confidence":0.9,"attributes":{"a":'
            + b"[" * 20_000
            + b"]" * 20_000
            + b"}}",
            "nested",
        ),
        (
            b'{"camera_id":"cam1","confidence":0.9,"attributes":{"a":'
            + b"[" * 100
            + b"]" * 100
            + b"}}",
            "nested",
        ),
        (b"[" * 60_000, "nested"),
        (json.dumps({**GOOD, "attributes": {"a": "\x00"}}).encode(), "attributes"),
        (json.dumps({**GOOD, "attributes": {"a": "\ud800"}}).encode(), "attributes"),
        (json.dumps({**GOOD, "\ud800": 1}).encode(), "unicode"),
        (b'{"camera_id":"cam1","confidence":0.9,"attributes":{"a":1e999}}', "attributes"),
        (
            b'{"camera_id":"cam1","confidence":0.9,"attributes":{"a":1' + b"0" * 5_000 + b"}}",
            "JSON",
        ),
        (b'{"camera_id":"cam1","confidence":NaN}', "confidence"),
        (json.dumps({**GOOD, "captured_at": 1_800_000_000_000}).encode(), "milliseconds"),
        (json.dumps({**GOOD, "captured_at": "1800000000000"}).encode(), "milliseconds"),
        (json.dumps({**GOOD, "captured_at": 1_800_000_000_000_000_000}).encode(), "nanoseconds"),
        (b'{"camera_id":"cam1","confidence":0.9,"attributes":{"a":NaN}}', "attributes"),
        (b'{"camera_id":"cam1","confidence":0.9,"attributes":{"a":1e400}}', "attributes"),
        (json.dumps({**GOOD, "plate": "AB\u202e123"}).encode(), "U+202E"),
        (json.dumps({**GOOD, "plate": "AB\u200b123"}).encode(), "U+200B"),
        (json.dumps({**GOOD, "plate": "AB\x7f123"}).encode(), "U+007F"),
        (json.dumps({**GOOD, "plate": "AB\x9b2J"}).encode(), "U+009B"),
        (json.dumps({**GOOD, "plate": "AB\u2028C"}).encode(), "U+2028"),
        (json.dumps({**GOOD, "plate": "AB\u3164C"}).encode(), "U+3164"),
        (json.dumps({**GOOD, "plate": "AB\ufe0fC"}).encode(), "U+FE0F"),
        (json.dumps({**GOOD, "bbox": [0.1, 0.2, 0.3, 0.1]}).encode(), "fractions"),
        (json.dumps({**GOOD, "bbox": [0, 0, 1, 1]}).encode(), "fractions"),
        (json.dumps({**GOOD, "bbox": [100, 80, 0.4, 0.2]}).encode(), "fractions"),
        (b"", "JSON"),
        (b"<xml/>", "JSON"),
        (b"\xff\xfe\xfd", "JSON"),
        (json.dumps([GOOD, GOOD]).encode(), "dictionary"),
    ],
)
def test_an_impossible_body_is_named(api: TestClient, body: bytes, named: str) -> None:
    answer = api.post(DETECTIONS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "?",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_whatever_its_header_says(
    api: TestClient, content_type: str | None, encoding: str
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = api.post(DETECTIONS, content=json.dumps(GOOD).encode(encoding), headers=headers)
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (DETECTIONS, {**GOOD, "detection_id": "one"}),
        (
            "/v2/video/doors/openalpr",
            {
                "data_type": "alpr_results",
                "uuid": "one",
                "camera_id": "cam1",
                "results": [{"plate": "AB12CDE", "confidence": 90}],
            },
        ),
    ],
    ids=["own", "maker"],
)
def test_a_detection_without_a_time_that_is_sent_twice_at_once_is_accepted_twice(
    world: World, api: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    """The other request finds no row either, and its arrival is another millisecond."""
    publish = PostgresDetectionRows.publish

    def later(rows: PostgresDetectionRows, detection: Detection, *pictures: Any) -> None:
        monkeypatch.setattr(PostgresDetectionRows, "publish", publish)
        publish(rows, replace(detection, captured_ms=detection.captured_ms - 7))
        publish(rows, detection, *pictures)

    monkeypatch.setattr(PostgresDetectionRows, "publish", later)
    answer = api.post(path, json=body)
    assert answer.is_success, answer.text
    (item,) = answer.json().get("items", [answer.json()])
    (row,) = world.database.fetch("SELECT detection_id, captured_at FROM detections")
    assert item["detection_id"] == row["detection_id"]
    assert datetime.fromisoformat(item["captured_at"]) == row["captured_at"]
    assert not world.redis.exists(
        Keys(world.settings.redis_prefix, world.settings.detections_name).rejected
    )


def message(world: World, *results: Any, **change: Any) -> dict[str, Any]:
    at = from_ms(world.clock.now_ms()).replace(tzinfo=None).isoformat()
    data = {
        "camera_id": "cam1",
        "filename": "x.jpg",
        "timestamp": at,
        "results": list(results),
        **change,
    }
    return {"hook": {"event": "recognition", "id": "gate"}, "data": data}


PLAIN: dict[str, Any] = {
    "box": {"xmin": 460, "ymin": 57, "xmax": 557, "ymax": 82}, "plate": "9jub11", "score": 0.8,
    "region": {"code": "gb", "score": 0.4}, "vehicle": {"score": 0.3, "type": "Big Truck"}, "direction": 225,
}  # fmt: skip
BY_VEHICLE: dict[str, Any] = {
    "plate": {
        "type": "Plate", "score": 0.7, "box": {"xmin": 1, "ymin": 2, "xmax": 21, "ymax": 12},
        "props": {"plate": [{"value": "ab12cd", "score": 0.95}], "region": [{"value": "fr", "score": 0.9}]},
    },
    "vehicle": {
        "type": "Sedan", "score": 0.8,
        "props": {
            "make_model": [{"make": "VW", "model": "Golf", "score": 0.3}],
            "orientation": [{"value": "Front", "score": 0.7}], "color": [{"value": "white", "score": 0.7}],
        },
    },
    "direction": 90,
}  # fmt: skip


def test_both_forms_of_plate_recognizer_are_understood(api: TestClient, world: World) -> None:
    answer = api.post(PLATE_RECOGNIZER, json=message(world, PLAIN, BY_VEHICLE))
    assert answer.status_code == 202, answer.text
    assert (answer.json()["total"], answer.json()["skipped"]) == (2, [])
    rows = {row["plate"]: row for row in world.database.fetch("SELECT * FROM detections")}
    assert rows["9JUB11"]["bbox"] == [460, 57, 97, 25]
    assert {"region": "gb", "vehicle": "Big Truck", "direction": 225.0}.items() <= rows["9JUB11"][
        "attributes"
    ].items()
    of_vehicle = rows["AB12CD"]
    assert (of_vehicle["confidence"], of_vehicle["bbox"]) == (0.95, [1, 2, 20, 10])
    assert of_vehicle["attributes"] == {
        "detector": "plate-recognizer", "dscore": 0.7, "direction": 90.0, "region": "fr", "vehicle": "Sedan",
        "filename": "x.jpg", "make": "VW", "model": "Golf", "color": "white", "orientation": "Front",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"direction": ""},
        {"direction": None},
        {"direction": "N"},
        {"direction": {"value": 3}},
        {"region": "gb"},
        {"region": None},
        {"region": []},
        {"vehicle": None},
        {"vehicle": "car"},
        {"color": "white"},
        {"model_make": None},
        {"model_make": "VW"},
        {"model_make": [None]},
        {"box": None},
        {"box": [1, 2, 3, 4]},
        {"box": {"xmin": 0.1, "ymin": 0.1, "xmax": 0.4, "ymax": 0.2}},
        {"box": {"xmin": "a"}},
        {"dscore": "high"},
        {"score": "0.8"},
        {"vehicle": {"props": None}},
        {"candidates": 3},
        {"orientation": {}},
    ],
)
def test_what_is_not_understood_beside_a_plate_is_left_out(
    api: TestClient, world: World, change: dict[str, Any]
) -> None:
    answer = api.post(PLATE_RECOGNIZER, json=message(world, {**PLAIN, **change}))
    assert answer.status_code == 202, answer.text
    assert answer.json()["total"] == 1
    row = world.database.fetch_one("SELECT plate, bbox FROM detections")
    assert row is not None
    assert row["plate"] == "9JUB11"
    assert row["bbox"] in (None, [460, 57, 97, 25])


@pytest.mark.parametrize(
    "bad",
    [
        {**PLAIN, "plate": "x" * 33},
        {**PLAIN, "score": 1.01},
        {**PLAIN, "score": None},
        {**PLAIN, "plate": None},
        {**PLAIN, "plate": ""},
        {**PLAIN, "plate": "\ud800"},
        {**PLAIN, "plate": "A\x00B"},
        {**PLAIN, "plate": "A\x07B"},
        {**BY_VEHICLE, "plate": None},
        {**BY_VEHICLE, "plate": {"props": {}}},
        {"plate": []},
        None,
        3,
        [],
    ],
)
def test_a_bad_result_is_reported_and_drops_no_neighbour(
    api: TestClient, world: World, bad: Any
) -> None:
    body = json.dumps(message(world, PLAIN, bad, {**PLAIN, "plate": "last"})).encode()
    answer = api.post(PLATE_RECOGNIZER, content=body)
    assert answer.status_code == 202, answer.text
    assert [item["result"] for item in answer.json()["skipped"]] == [1]
    assert answer.json()["skipped"][0]["reason"]
    rows = world.database.fetch("SELECT plate FROM detections ORDER BY plate")
    assert [row["plate"] for row in rows] == ["9JUB11", "LAST"]


def test_a_message_without_a_plate_is_no_error(api: TestClient, world: World) -> None:
    assert (
        api.post(PLATE_RECOGNIZER, json=message(world, {**BY_VEHICLE, "plate": None})).status_code
        == 202
    )
    assert api.post(PLATE_RECOGNIZER, json=message(world)).json()["total"] == 0
    beat = {"hook": {"event": "heartbeat"}, "data": {"camera_id": "cam1"}}
    assert api.post(PLATE_RECOGNIZER, json=beat).status_code == 202
    assert api.post(PLATE_RECOGNIZER, json=message(world, PLAIN, timestamp="")).status_code == 202
    bare = message(world, {**PLAIN, "plate": "bare"})["data"]
    assert api.post(PLATE_RECOGNIZER, json=bare).json()["total"] == 1, (
        "as the Snapshot API answers it"
    )


def test_every_way_to_put_json_into_a_form(api: TestClient, world: World) -> None:
    text = json.dumps(message(world, PLAIN))
    form = {"content-type": "application/x-www-form-urlencoded"}
    picture = ("x.jpg", b"\xff\xd8" + bytes(2_000), "image/jpeg")
    names = ("upload", "original", "vehicle", "plate", "video", "more")
    answers = [
        api.post(PLATE_RECOGNIZER, content=urlencode({"json": text}), headers=form),
        api.post(PLATE_RECOGNIZER, content=text, headers=form),
        api.post(PLATE_RECOGNIZER, data={"json": text}, files=[(name, picture) for name in names]),
        api.post(
            PLATE_RECOGNIZER,
            files=[("json", ("json.txt", text.encode(), "text/plain")), ("upload", picture)],
        ),
    ]
    assert [(answer.status_code, answer.json()["total"]) for answer in answers] == [(202, 1)] * 4
    assert len(world.database.fetch("SELECT FROM detections")) == 1


@pytest.mark.parametrize(
    ("body", "content_type", "named"),
    [
        (b"[" * 60_000, "application/json", "JSON"),
        (b"json=" + b"[" * 60_000, "application/x-www-form-urlencoded", "JSON"),
        (
            b'{"data":{"results":[' + b'{"plate":' * 500 + b"1" + b"}" * 500 + b"]}}",
            "application/json",
            "JSON",
        ),
        (b"text=1", "application/x-www-form-urlencoded", "JSON"),
        (b"--x\r\n", "multipart/form-data", "JSON"),
        (
            b'{"data":{"camera_id":"cam1","timestamp":"0001-01-01T00:00:00+14:00","results":[]}}',
            "",
            "timestamp",
        ),
        (b'{"data":{"camera_id":"cam1"}}', "", "results"),
        (b'{"data":null}', "", "results"),
        (b'{"data":{"camera_id":"cam1","results":[{"plate":"a","score":3}]}}', "", "score"),
        (b'{"data":{"camera_id":"Gate 1","results":[{"plate":"a","score":0.3}]}}', "", "camera_id"),
    ],
)
def test_a_message_with_nothing_in_it_is_refused_by_name(
    api: TestClient, body: bytes, content_type: str, named: str
) -> None:
    answer = api.post(PLATE_RECOGNIZER, content=body, headers={"content-type": content_type})
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"]


@dataclass
class Reader:
    """A dispatcher's intake on the world's stream, under a name."""

    world: World
    name: str = "reader"

    def __post_init__(self) -> None:
        world, keys = self.world, self.keys
        self.stream = RedisDetections(world.redis, keys, self.name, world.clock)
        policies = {f"cam{n}": POLICY for n in range(5)}
        ports = IntakePorts(
            stream=self.stream,
            channel=RedisChannel(world.redis, keys),
            rows=world.detections,
            frames=world.frames,
            holds=world.frames,
            clock=world.clock,
            policies=Policies(policies),
        )
        self.intake = Intake(ports)
        self.stream.read(1, 0.01)

    @property
    def keys(self) -> Keys:
        return Keys(self.world.settings.redis_prefix, self.world.settings.detections_name)

    def send(self, **change: Any) -> None:
        body = {"captured_at": self.world.clock.now_ms() / 1000, **GOOD, **change}
        self.stream.publish(json.dumps(body).encode())

    def pending(self) -> list[dict[str, Any]]:
        found: Any = self.world.redis.xpending_range(self.keys.detections, GROUP, "-", "+", 1000)
        return list(found)

    def grow_idle(self) -> None:
        for each in self.pending():
            self.world.redis.xclaim(
                self.keys.detections,
                GROUP,
                each["consumer"],
                0,
                [each["message_id"]],
                idle=CLAIM_IDLE_MS + 1_000,
                justid=True,
            )
        self.stream._claimed_at = float("-inf")


def outcomes(world: World) -> dict[str, str]:
    return {
        row["detection_id"]: row["outcome"]
        for row in world.database.fetch("SELECT * FROM detections")
    }


@pytest.mark.parametrize("commands", range(4))
def test_a_pubsub_message_of_two_dispatchers_outlasts_one_whose_connection_breaks(
    world: World, monkeypatch: pytest.MonkeyPatch, commands: int
) -> None:
    """commands: how many of its commands the broker still gets."""
    breaks, stays = Reader(world, "breaks"), Reader(world, "stays")
    for reader in (breaks, stays):
        reader.intake.read_channel(0.01)
    world.redis.publish(breaks.keys.detections, json.dumps(GOOD))
    left = [*range(commands)]
    execute: Any = world.redis.execute_command

    def execute_command(*given: Any, **named: Any) -> Any:
        if not left:
            raise redis.ConnectionError
        left.pop()
        return execute(*given, **named)

    with monkeypatch.context() as patch, suppress(Retryable):
        patch.setattr(world.redis, "execute_command", execute_command)
        breaks.intake.read_channel(1.0)
    stays.intake.read_channel(1.0)
    assert world.redis.xlen(breaks.keys.detections) == 1


def test_a_burst_with_impossible_messages_is_recorded_but_for_them(world: World) -> None:
    reader = Reader(world)
    for n in range(60):
        reader.send(detection_id=f"d{n}", camera_id=f"cam{n % 3}")
        if n == 30:
            reader.send(captured_at="0001-01-01T00:00:00+01:00")
            world.redis.xadd(reader.keys.detections, {"hint": b"a\x00b"})
    while reader.intake.read_stream(0.05):
        pass
    assert outcomes(world) == {f"d{n}": "recorded" for n in range(60)}
    assert world.redis.xlen(reader.keys.rejected) == 2
    assert reader.pending() == []


def test_a_message_that_ends_its_readers_is_given_up_and_its_neighbours_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a library that crashes on it would: nothing can be caught."""
    reader = Reader(world)
    reader.send(detection_id="good")
    reader.send(detection_id="deadly", camera_id="cam2")
    accept = world.detections.accept_all

    def crash(batches: Any) -> Any:
        if any(each.detection_id == "deadly" for batch in batches for each in batch.detections):
            raise SystemExit
        return accept(batches)

    monkeypatch.setattr(world.detections, "accept_all", crash)
    for _ in range(MOST_TRIES * 2):
        reader.grow_idle()
        try:
            reader.intake.read_stream(0.01)
        except SystemExit:
            continue
    assert outcomes(world) == {"good": "recorded"}
    assert world.redis.xlen(reader.keys.rejected) == 1
    assert reader.pending() == []


def test_an_outage_of_any_length_gives_up_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(world)
    reader.send(detection_id="d")

    def away(*_: object, **__: object) -> None:
        raise Retryable("the database does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(world.detections, "accept_all", away)
        for _ in range(MOST_TRIES * 2):
            reader.grow_idle()
            reader.intake.read_stream(0.01)
    assert len(reader.pending()) == 1
    reader.grow_idle()
    reader.intake.read_stream(0.01)
    assert outcomes(world) == {"d": "recorded"}


def test_a_batch_that_is_worked_on_is_not_taken_over_and_a_dead_ones_is(world: World) -> None:
    first, second = Reader(world, "first"), Reader(world, "second")
    first.send(detection_id="d")
    (delivery,) = first.stream.read(10, 0.01)
    with first.intake.in_hand.working_on([delivery]):
        first.grow_idle()
        first.intake.in_hand.look()
        second.stream._claimed_at = float("-inf")
        assert second.stream.read(10, 0.01) == []
    first.grow_idle()
    first.intake.in_hand.look()
    second.stream._claimed_at = float("-inf")
    (taken,) = second.stream.read(10, 0.01)
    assert taken.entry_id == delivery.entry_id
    first.stream.keep([delivery.entry_id])
    assert {each["consumer"] for each in first.pending()} == {b"second"}, (
        "what was taken over stays so"
    )


def test_messages_that_nobody_can_settle_do_not_hide_those_behind_them(world: World) -> None:
    reader = Reader(world)
    for n in range(6):
        reader.send(detection_id=f"d{n}")
    assert len(reader.stream.read(6, 0.01)) == 6
    seen: set[str] = set()
    for _ in range(3):
        reader.grow_idle()
        seen |= {delivery.entry_id for delivery in reader.stream.read(2, 0.01)}
    assert len(seen) == 6


def test_a_broker_that_is_wiped_while_messages_are_in_hand_leaves_nothing_to_do(
    world: World,
) -> None:
    reader = Reader(world)
    reader.send(detection_id="d")
    (delivery,) = reader.stream.read(1, 0.01)
    world.redis.delete(reader.keys.detections)
    with reader.intake.in_hand.working_on([delivery]):
        reader.intake.in_hand.look()
    reader.stream.put_off([delivery.entry_id])
    reader.stream.ack([delivery.entry_id])
    assert reader.stream.forget_readers(0) == 0
    assert reader.stream.read(1, 0.01) == []


def test_dead_readers_are_forgotten(world: World) -> None:
    living, dead, owing = Reader(world, "living"), Reader(world, "dead"), Reader(world, "owing")
    living.send()
    assert len(owing.stream.read(10, 0.01)) == 1
    assert living.stream.forget_readers(3600) == 0
    world.clock.sleep(0.01)
    assert living.stream.forget_readers(0.0) == 1
    names: Any = world.redis.xinfo_consumers(living.keys.detections, GROUP)
    assert {reader["name"] for reader in names} == {b"living", b"owing"}
    assert dead.stream.read(1, 0.01) == []


def test_how_far_behind_the_readers_are(world: World) -> None:
    reader = Reader(world)
    assert reader.stream.unread_s() == 0
    at_ms = world.clock.now_ms() - 20_000
    world.redis.xadd(reader.keys.detections, {"json": b"{}"}, id=f"{at_ms}-0")
    assert 19 < reader.stream.unread_s() < 25
    (delivery,) = reader.stream.read(1, 0.01)
    assert 19 < delivery.waited_s < 25
    assert reader.stream.unread_s() == 0


def test_a_plate_without_a_character_that_counts_is_none(api: TestClient, world: World) -> None:
    for plate in ("", "  ", "---", " - . / ", "\u00b7"):
        assert api.post(DETECTIONS, json={**GOOD, "plate": plate}).status_code == 202, plate
    assert {row["plate"] for row in world.database.fetch("SELECT plate FROM detections")} == {None}


def test_an_id_is_its_cameras_own(api: TestClient, world: World) -> None:
    """No detector takes another camera's ids, and nobody learns by a conflict that another camera
    has one.
    """
    _, secret = PostgresAccessRows(world.database).create_key(
        name="one", role=Role.OPERATOR, cameras=["cam1"], expires_at=None, who="test"
    )
    _, boss = PostgresAccessRows(world.database).create_key(
        name="boss", role=Role.ADMIN, cameras=None, expires_at=None, who="test"
    )
    one, all_cameras = ({"Authorization": f"Bearer {key}"} for key in (secret, boss))
    body = {"confidence": 0.9, "detection_id": "seq-17"}
    assert (
        api.post(DETECTIONS, json={**body, "camera_id": "cam2"}, headers=all_cameras).status_code
        == 202
    )
    assert api.get("/v2/video/by-detection/seq-17", headers=one).status_code == 404
    assert api.post(DETECTIONS, json={**body, "camera_id": "cam1"}, headers=one).status_code == 202
    assert api.get("/v2/video/by-detection/seq-17", headers=one).json()["total"] == 0
    both = api.get("/v2/video/by-detection/seq-17", headers=all_cameras)
    assert (both.status_code, "cam1, cam2" in both.json()["detail"]) == (409, True)
    for camera in ("cam1", "cam2"):
        named = api.get(f"/v2/video/by-detection/seq-17?camera_id={camera}", headers=all_cameras)
        assert (named.status_code, named.json()["outcome"]) == (200, "pending")
    rows = world.database.fetch(
        "SELECT camera_id FROM detections WHERE detection_id = 'seq-17' ORDER BY 1"
    )
    assert [row["camera_id"] for row in rows] == ["cam1", "cam2"]


FAR = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59Z",
)


def test_times_at_the_ends_of_the_calendar_are_answered(api: TestClient, world: World) -> None:
    """On every route that takes a time: with a page, or a refusal that names the field; never a
    crash.
    """
    ready(world, "cam1", 0)
    for moment in FAR:
        _ask_everywhere(api, moment)


def _ask_everywhere(api: TestClient, moment: str) -> None:
    routes = [
        ("segments", {"from": moment}),
        ("segments", {"to": moment}),
        ("segments", {"from": moment, "to": moment}),
    ]
    routes += [("cameras/cam1/gaps", {"from": moment}), ("cameras/cam1/gaps", {"to": moment})]
    routes += [
        ("cameras/cam1/calendar", {name: moment[:10], "tz": zone})
        for name in ("from", "to")
        for zone in ZONES
    ]
    for path, query in routes:
        answer = api.get(f"/v2/video/{path}", params=query)
        assert answer.status_code in {200, 422}, (path, query, answer.text)
    late = {"name": "far", "expires_at": moment}
    if moment.startswith("0001"):  # one that is made would end access without a key
        assert api.post("/v2/video/keys", json=late).status_code == 422


ZONES = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12")
NO_JSON = (
    b"{",
    b"",
    b"\xff",
    b"[" * 900 + b"]" * 900,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b"NaN",
    b"null",
    b'{"key":"plr_\\ud800aaaaaaaaaaa_x"}',
    b'{"name":"\\ud800"}',
    b'{"name":"a\\u0000"}',
    b'{"days":' + b"9" * 5_000 + b"}",
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "keys"),
        ("POST", "bulk"),
        ("POST", "cleanup"),
        ("POST", "session"),
        ("POST", "detections"),
        ("POST", "plate-recognizer"),
        ("PATCH", "segments/{id}"),
    ],
)
def test_what_is_no_json_is_told_to_those_who_may_ask(
    api: TestClient, world: World, method: str, path: str
) -> None:
    """422 to a caller, 401 to somebody without a key; never a crash, whatever its nesting or its
    characters.
    """
    address = f"/v2/video/{path.format(id=ready(world, 'cam1', 0))}"
    headers = {"content-type": "application/json"}
    for body in NO_JSON:
        fine = {202, 200} if (path, body) in {("cleanup", b""), ("cleanup", b"null")} else {422}
        assert api.request(method, address, content=body, headers=headers).status_code in fine, body
    PostgresAccessRows(world.database).create_key(
        name="boss", role=Role.ADMIN, cameras=None, expires_at=None, who="test"
    )
    for body in NO_JSON:
        stranger = api.request(method, address, content=body, headers=headers)
        assert stranger.status_code == (422 if path == "session" else 401), body


def test_names_of_zones_are_those_of_every_host(api: TestClient, world: World) -> None:
    ready(world, "cam1", 0)
    for name, status in (
        ("localtime", 422),
        ("posix/UTC", 422),
        ("right/UTC", 422),
        ("Factory", 422),
        ("Etc/UTC", 200),
    ):
        assert (
            api.get("/v2/video/cameras/cam1/calendar", params={"tz": name}).status_code == status
        ), name


def test_a_plate_that_grows_when_it_is_folded_is_searched(api: TestClient, world: World) -> None:
    ready(world, "cam1", 0, ["SSSSSSSS"])
    assert (
        api.get("/v2/video/segments", params={"plate": "ß" * 64, "fuzzy": True}).status_code == 200
    )
    assert (
        api.get("/v2/video/segments", params={"plate": "ß" * 65, "fuzzy": True}).json()["errors"][
            0
        ]["field"]
        == "plate"
    )


def test_a_slash_too_many_is_not_led_elsewhere(api: TestClient) -> None:
    answer = api.get("/v2/video/segments/", headers={"Host": "127.0.0.1:1"}, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("location")) == (404, None)
