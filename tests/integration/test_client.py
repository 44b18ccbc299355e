"""The typed client against the real API, and detections that Plate Recognizer posts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from platereel import ApiClient, ApiError
from platereel.verification import verify
from shared.adapters.redis.events import RedisEvents
from shared.domain.lifecycle import SegmentStatus
from shared.domain.timing import from_ms
from shared.wire.keys import Keys
from tests.support.http import request
from tests.support.rows import CLIP, clip_of, ready
from tests.support.world import World


@pytest.fixture
def client(address: str) -> Iterator[ApiClient]:
    with ApiClient(address) as opened:
        yield opened


def test_finding(world: World, client: ApiClient) -> None:
    made = [ready(world, "cam1", n * 20, [f"PL{n}AB"]) for n in range(7)]
    other = ready(world, "cam2", 0)
    assert [
        item.id for item in client.every_segment(camera_id="cam1", limit=3, sort="start_time")
    ] == made
    page = client.segments(plate="pl3*", limit=1)
    assert (page.total, page.items[0].id, page.items[0].plates) == (1, made[3], ["PL3AB"])
    assert client.segments(plate="PL3A8", fuzzy=True, limit=5).items[0].distance == pytest.approx(
        0.1
    )
    start = from_ms(world.base_ms)
    assert (
        client.segments(camera_id="cam1", from_=start, to=start + timedelta(seconds=15)).total == 1
    )
    detail = client.segment(made[0])
    assert [d.plate for d in detail.detections] == ["PL0AB"]
    assert client.by_detection(detail.detections[0].detection_id).items[0].id == made[0]
    stats = client.stats()
    assert (stats.segments, {row.camera_id: row.segments for row in stats.cameras}) == (
        8,
        {"cam1": 7, "cam2": 1},
    )
    day: date = start.date()
    assert client.calendar("cam2", day, day).items[0].segments == 1
    assert client.gaps("cam2").items == []
    assert {camera.camera_id for camera in client.cameras().items} >= {"cam1", "cam2"}
    assert client.segments(status=SegmentStatus.READY, protected=False).total == 8
    assert other in {item.id for item in client.every_segment()}


def test_fetching(world: World, client: ApiClient, tmp_path: Path) -> None:
    segment_id = clip_of(world)
    told: list[tuple[int, int | None]] = []
    path = client.download(segment_id, tmp_path / "clip.mp4", lambda *at: told.append(at))
    assert path.read_bytes() == CLIP
    assert told[-1] == (len(CLIP), len(CLIP))
    assert verify(client.export(segment_id, tmp_path / "evidence.zip"), None).problems == []
    world.film("cam1", 0, 1)
    assert client.snapshot("cam1")[:2] == b"\xff\xd8"
    assert client.strip(segment_id).offsets_ms == [0, 500]
    assert client.strip_picture(segment_id) == b"\xff\xd8strip"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clip.mp4", "evidence.zip"]


def test_changing(world: World, client: ApiClient) -> None:
    first, second = ready(world, "cam1", 0), ready(world, "cam1", 50)
    assert client.protect(first, note="why").protected_by == "local"
    result = client.bulk("delete", [first, second])
    assert (result.succeeded, result.failed) == (1, 1)
    with pytest.raises(ApiError, match="protected") as refused:
        client.delete(first)
    assert (refused.value.status, refused.value.problem["title"]) == (409, "Conflict")
    client.protect(first, protected=False)
    client.delete(first)
    with pytest.raises(ApiError) as gone:
        client.delete(first)
    assert gone.value.status == 410
    receipt = client.publish({"camera_id": "cam1", "confidence": 0.9, "detection_id": "mine"})
    assert (
        client.publish(
            {"camera_id": "cam1", "confidence": 0.9, "detection_id": "mine"}
        ).detection_id
        == "mine"
    )
    assert receipt.outcome == "pending"


def test_hearing(world: World, client: ApiClient) -> None:
    sink = RedisEvents(
        world.redis, Keys(world.settings.redis_prefix, world.settings.detections_name)
    )
    sink.publish_all([("segment.ready", {"segment_id": "1", "camera_id": "cam1"})])
    sink.publish_all([("segment.ready", {"segment_id": "2", "camera_id": "cam1"})])
    first = next(client.events(after="0-0"))
    assert (first.name, first.body["segment_id"]) == ("segment.ready", "1")
    assert first.event_id is not None
    assert next(client.events(after=first.event_id)).body["segment_id"] == "2"


def test_nobody_there() -> None:
    with (
        ApiClient("http://127.0.0.1:9") as nobody,
        pytest.raises(ApiError, match="does not answer") as error,
    ):
        nobody.stats()
    assert error.value.status == 0


RESULT = {
    "box": {"xmin": 153, "ymin": 91, "xmax": 302, "ymax": 125}, "plate": "pl8rec", "score": 0.897, "dscore": 0.757,
    "region": {"code": "fr", "score": 0.9}, "vehicle": {"type": "Sedan", "score": 0.8},
    "color": [{"color": "white", "score": 0.6}], "candidates": [{"plate": "pl8rec", "score": 0.897}],
}  # fmt: skip


def _message(world: World, **change: Any) -> dict[str, Any]:
    at = from_ms(world.clock.now_ms()).replace(tzinfo=None).isoformat()
    data = {
        "camera_id": "cam1",
        "filename": "camera-1/image.jpg",
        "timestamp": at,
        "results": [RESULT],
        **change,
    }
    return {"hook": {"event": "image.done", "id": "gate"}, "data": data}


@pytest.mark.parametrize("form", [False, True])
def test_plate_recognizer_posts_detections(world: World, address: str, form: bool) -> None:
    """As JSON, and as the form with a picture that Stream sends; again, and nothing is there
    twice.
    """
    message = _message(world, results=[RESULT, {**RESULT, "plate": "two"}])
    url = f"{address}/v2/video/plate-recognizer"
    for _ in range(2):
        if form:
            picture = ("picture.jpg", b"\xff\xd8" + bytes(300_000), "image/jpeg")
            answer = request("POST", url, fields={"json": json.dumps(message), "upload": picture})
        else:
            answer = request("POST", url, json=message)
        assert answer.status == 202, answer.data
        assert answer.json()["total"] == 2
    rows = world.database.fetch("SELECT * FROM detections ORDER BY plate")
    assert [row["plate"] for row in rows] == ["PL8REC", "TWO"]
    assert rows[0]["bbox"] == [153, 91, 149, 34]
    assert rows[0]["confidence"] == pytest.approx(0.897)
    wanted = {
        "detector": "plate-recognizer",
        "region": "fr",
        "vehicle": "Sedan",
        "color": "white",
        "dscore": 0.757,
    }
    assert wanted.items() <= rows[0]["attributes"].items()


@pytest.mark.parametrize(
    ("change", "query", "named"),
    [
        ({"camera_id": "elsewhere"}, "", "camera_id"),
        ({"camera_id": None}, "", "camera_id"),
        ({"results": [{"plate": "x", "score": 7}]}, "", "score"),
        ({"results": "none"}, "", "results"),
        ({"timestamp": "yesterday"}, "", "timestamp"),
    ],
)
def test_a_message_that_cannot_be_is_named(
    world: World, address: str, change: dict[str, Any], query: str, named: str
) -> None:
    answer = request(
        "POST", f"{address}/v2/video/plate-recognizer{query}", json=_message(world, **change)
    )
    assert answer.status == 422
    assert named in answer.json()["detail"]
    mapped = request(
        "POST",
        f"{address}/v2/video/plate-recognizer?camera_id=cam2",
        json=_message(world, camera_id="elsewhere"),
    )
    assert mapped.status == 202
    for body in (b"", b"[]", b"{", b"\xff"):
        assert request("POST", f"{address}/v2/video/plate-recognizer", body=body).status == 422
