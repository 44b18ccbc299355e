"""Pictures that a detector sends along: kept instead of ours, and never worth a detection."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.api.doors.own_pictures import MOST_BYTES
from services.api.doors.publishing import MOST_PICTURED
from services.api.wiring import build
from shared.adapters.postgres.plate_records import PostgresPlateRecordRows
from shared.domain.errors import Retryable
from shared.domain.plate_erasure import erase
from shared.domain.policy import Reads, Record
from shared.domain.ports import CameraBatch, PassFilter, ReadOrder
from shared.domain.retention import RetentionPolicy
from shared.domain.timing import from_ms
from shared.runtime.metrics import OWN_PICTURES
from tests.support import doors as made
from tests.support.doors import JPEG_OF_PLATE, JPEG_OF_SCENE, base64
from tests.support.jobs import check, checking, cleanup, ports
from tests.support.numbers import number_of_jpeg
from tests.support.recordings import finish
from tests.support.world import POLICY, World

DOORS = "/v2/video/doors"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
BOX = {
    "coordinate_x1": 40, "coordinate_y1": 30, "coordinate_x2": 100, "coordinate_y2": 50,
}  # fmt: skip


def report(
    world: World, api: TestClient, at_s: float = 5, plate: str = "OWN1", **pictures: bytes
) -> Any:
    """A read of a Milesight camera, with its pictures `plate_image` and `full_image`."""
    time = from_ms(world.base_ms + round(at_s * 1000)).isoformat(timespec="milliseconds")
    given = {"plate_image": "", "full_image": ""} | {
        name: base64(each) for name, each in pictures.items()
    }
    answer = api.post(
        f"{DOORS}/milesight", json=made.milesight(time=time, plate=plate, **BOX, **given)
    )
    assert (answer.status_code, answer.json()["total"]) == (200, 1), answer.text
    return answer.json()


def accept(world: World) -> str:
    """As a dispatcher accepts what was published. Returns the newest pass."""
    rows = world.database.fetch(
        "SELECT camera_id, detection_id FROM detections WHERE outcome = 'pending'"
    )
    keys = [(row["camera_id"], row["detection_id"]) for row in rows]
    for detection in world.detections.stored_all(keys).values():
        batch = CameraBatch(
            camera_id=detection.camera_id, detections=[detection], policy=POLICY, oldest_ms=world.base_ms,
            newest_ms=world.base_ms + 30_000,
        )  # fmt: skip
        world.detections.accept_all([batch])
    return str(world.passes.search(PassFilter(), 1, None, ReadOrder.NEWEST).items[0].id)


def objects(world: World) -> list[str]:
    return [each.key.rpartition("/")[2] for each in world.store.walk("pictures/", "")]


def picture(api: TestClient, pass_id: str, kind: str) -> bytes:
    answer = api.get(f"/v2/video/passes/{pass_id}/{kind}.jpg")
    return answer.content if answer.status_code == 200 else b""


def counted(result: str) -> float:
    return float(OWN_PICTURES.labels(result)._value.get())


def test_own_pictures_are_shown_and_none_is_taken(world: World, api: TestClient) -> None:
    world.film("cam1", 0, 20)
    told = report(world, api, plate_image=JPEG_OF_PLATE, full_image=JPEG_OF_SCENE)
    assert told["pictures_left_out"] == []
    names = objects(world)
    report(world, api, plate_image=JPEG_OF_SCENE)  # sent again, it is the first one still
    assert objects(world) == names
    assert [each.partition("-")[0] for each in names] == ["d", "d"]
    pass_id = accept(world)
    finish(world, "cam1")
    assert picture(api, pass_id, "plate") == JPEG_OF_PLATE
    assert picture(api, pass_id, "scene") == JPEG_OF_SCENE
    assert objects(world) == names
    assert check(checking(world), {})["clean"]


def test_what_the_detector_did_not_send_is_taken(world: World, api: TestClient) -> None:
    world.film("cam1", 0, 20)
    report(world, api, plate_image=JPEG_OF_PLATE)
    pass_id = accept(world)
    finish(world, "cam1")
    assert f"{pass_id}-scene.jpg" in objects(world)
    assert len(objects(world)) == 2
    assert picture(api, pass_id, "plate") == JPEG_OF_PLATE
    assert number_of_jpeg(picture(api, pass_id, "scene")) == 50
    world.store.delete(
        [each.key for each in world.store.walk("pictures/", "") if "/d-" in each.key]
    )
    assert picture(api, pass_id, "plate") == b""  # it was lost, and is not taken later


def test_a_picture_of_the_plate_is_cut_where_only_the_scene_came(
    world: World, api: TestClient
) -> None:
    world.film("cam1", 0, 20)
    report(world, api, full_image=JPEG_OF_SCENE)
    pass_id = accept(world)
    assert picture(api, pass_id, "plate").startswith(b"\xff\xd8")
    assert picture(api, pass_id, "scene") == JPEG_OF_SCENE
    assert sorted(each.rpartition("-")[2] for each in objects(world)) == ["plate.jpg", "scene.jpg"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(PNG, "not a JPEG"), (b"GIF89a", "not a JPEG"), (JPEG_OF_SCENE + bytes(MOST_BYTES), "over the limit")],
)  # fmt: skip
def test_a_picture_that_is_refused_costs_the_picture_alone(
    world: World, api: TestClient, sent: bytes, reason: str
) -> None:
    before = counted("refused")
    told = report(world, api, plate_image=JPEG_OF_PLATE, full_image=sent)
    ((note),) = told["pictures_left_out"]
    assert (note["result"], note["kind"], reason in note["reason"]) == (0, "scene", True)
    assert [each.rpartition("-")[2] for each in objects(world)] == ["plate.jpg"]
    row = world.database.fetch_one("SELECT outcome, picture_kinds FROM detections")
    assert row == {"outcome": "pending", "picture_kinds": ["plate"]}
    assert counted("refused") == before + 1


def test_of_a_kind_there_is_one(world: World, api: TestClient) -> None:
    alert = made.hikvision(alert_dateTime=datetime.now(UTC).isoformat())
    files = [
        ("a", ("alert.json", json.dumps(alert).encode(), "application/json")),
        *(("p", ("detectionPicture.jpg", data, "image/jpeg")) for data in (JPEG_OF_SCENE, JPEG_OF_PLATE)),
    ]  # fmt: skip
    told = api.post(f"{DOORS}/hikvision", files=files).json()
    assert told["pictures_left_out"] == [
        {"result": 0, "kind": "scene", "reason": "there is one already"}
    ]
    (stored,) = [world.store.get(each.key) for each in world.store.walk("pictures/", "")]
    assert stored == JPEG_OF_SCENE


def test_plate_recognizer_sends_one_picture_of_all_its_reads(world: World, api: TestClient) -> None:
    results = [{"plate": f"pr{number:03}", "score": 0.9} for number in range(MOST_PICTURED + 1)]
    body = {"data": {"camera_id": "cam1", "results": results}}
    told = api.post(
        "/v2/video/plate-recognizer",
        data={"json": json.dumps(body)},
        files={
            "upload": ("x.jpg", JPEG_OF_SCENE, "image/jpeg"),
            "other": ("y.jpg", PNG, "image/png"),
        },
    )
    assert (told.status_code, told.json()["total"]) == (202, MOST_PICTURED + 1), told.text
    assert len(objects(world)) == MOST_PICTURED
    ((note),) = told.json()["pictures_left_out"]
    assert (note["result"], "only the first" in note["reason"]) == (MOST_PICTURED, True)
    refused = api.post("/v2/video/plate-recognizer", files={"upload": ("x.jpg", JPEG_OF_SCENE)})
    assert refused.status_code == 422


def test_a_store_that_is_away_costs_the_picture(
    world: World, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Retryable("the store does not answer")

    before = counted("lost")
    with monkeypatch.context() as patch:
        patch.setattr(type(world.store), "put", refuse)
        told = report(world, api, plate_image=JPEG_OF_PLATE)
    assert [each["kind"] for each in told["pictures_left_out"]] == ["plate"]
    row = world.database.fetch_one("SELECT outcome, picture_path, picture_kinds FROM detections")
    assert row == {"outcome": "pending", "picture_path": None, "picture_kinds": None}
    assert counted("lost") == before + 1


def test_they_go_with_retention_with_an_erasure_and_as_orphans(
    world: World, api: TestClient
) -> None:
    sent = {"plate_image": JPEG_OF_PLATE, "full_image": JPEG_OF_SCENE}
    for at_s, plate in ((0, "OLD111"), (20, "GONE22"), (40, "LEFT33")):
        report(world, api, at_s, plate, **sent)
    accept(world)
    assert len(objects(world)) == 6
    assert "orphan" not in check(checking(world), {})["findings"]
    old = timedelta(days=2)
    world.database.execute(
        "UPDATE detections SET captured_at = captured_at - %s WHERE plate = 'OLD111'", old
    )
    cleanup(ports(world, RetentionPolicy(pictures_days=1.0)), {})
    assert len(objects(world)) == 4
    row = world.database.fetch_one(
        "SELECT picture_path, picture_kinds FROM detections WHERE plate = 'OLD111'"
    )
    assert row == {"picture_path": None, "picture_kinds": ["plate", "scene"]}
    world.database.execute(
        "UPDATE video_segments SET status = 'finalizing' WHERE status = 'recording'"
    )
    world.database.execute(
        "UPDATE video_segments SET status = 'failed' WHERE status = 'finalizing'"
    )
    records = PostgresPlateRecordRows(world.database)
    told = erase("GONE22", records, world.store, "ann", dry_run=False)
    assert (told.pictures, len(objects(world))) == (1, 2)
    world.database.execute("DELETE FROM detections WHERE plate = 'LEFT33'")
    report_of = check(checking(world), {"repair": True})
    assert (report_of["findings"]["orphan"]["found"], objects(world)) == (2, [])


def test_where_only_hits_are_kept_none_is_stored(world: World) -> None:
    cameras = world.settings.cameras | {
        "cam1": world.settings.cameras["cam1"].model_copy(
            update={"record": Record.HITS, "reads": Reads.DROP}
        )
    }
    settings = world.settings.model_copy(update={"cameras": cameras})
    with TestClient(build(settings), base_url="http://127.0.0.1") as api:
        report(world, api, plate_image=JPEG_OF_PLATE)
    assert objects(world) == []
