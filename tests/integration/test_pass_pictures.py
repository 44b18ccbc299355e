"""Pictures of passes: taken while the footage is there, else from the clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from platereel import ApiClient, ApiError
from shared.adapters.postgres.pictures import PostgresPictureRows
from shared.adapters.video.av_video import AvVideo
from shared.domain.errors import Retryable
from shared.domain.media import Box
from shared.domain.picture_taking import from_buffer, keep
from shared.domain.pictures import PictureKind, Taken
from shared.domain.ports import CameraBatch, PassFilter, ReadOrder
from shared.domain.retention import RetentionPolicy
from shared.wire.keys import picture_key, picture_keys
from tests.support.jobs import checking, ports
from tests.support.numbers import number_of_jpeg
from tests.support.recordings import finish
from tests.support.world import POLICY, World
from workers.consistency.check import check
from workers.retention.cleanup import cleanup


@pytest.fixture
def client(address: str) -> Iterator[ApiClient]:
    with ApiClient(address) as opened:
        yield opened


def see(
    world: World,
    at_s: float,
    box: Box | None,
    confidence: float = 0.9,
    plate: str = "AB123CD",
) -> Any:
    detection = world.detection("cam1", at_s, f"d{at_s}", confidence)
    detection = replace(detection, bbox=box, plate=plate)
    batch = CameraBatch(
        camera_id="cam1",
        detections=[detection],
        policy=POLICY,
        oldest_ms=world.base_ms,
        newest_ms=world.base_ms + 30_000,
    )
    world.detections.accept_all([batch])
    return world.passes.search(PassFilter(), 1, None, ReadOrder.NEWEST).items[0]


def image(jpeg: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def pictures(world: World) -> list[str]:
    return [each.key for each in world.store.walk("pictures/", "")]


def test_a_writer_takes_the_pictures_of_the_best_read(world: World, client: ApiClient) -> None:
    """They are of the frame that the detector looked at."""
    world.film("cam1", 0, 20)
    found = see(world, 5.0, Box(40, 30, 60, 20), 0.7)
    see(world, 6.0, Box(50, 40, 60, 20), 0.95)
    finish(world, "cam1")
    assert len(pictures(world)) == 2
    scene, plate = client.picture(found.id, "scene"), client.picture(found.id)
    assert number_of_jpeg(scene) == 60
    assert image(plate).shape == (30, 72, 3)


def test_a_picture_is_taken_from_the_clip_when_nobody_has_taken_it(
    world: World, client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.film("cam1", 0, 20)
    found = see(world, 5.0, Box(40, 30, 60, 20))
    with monkeypatch.context() as patch:
        patch.setattr("workers.writer.write_part.take_pictures", lambda *_: [])
        finish(world, "cam1")
    assert pictures(world) == []
    world.redis.flushdb()
    assert number_of_jpeg(client.picture(found.id, "scene")) == 50
    assert len(pictures(world)) == 2
    row = world.database.fetch_one("SELECT picture_of FROM passes")
    assert row == {"picture_of": "d5.0"}


def test_a_better_read_is_shown_while_its_footage_is_in_the_buffer(
    world: World, client: ApiClient
) -> None:
    world.film("cam1", 0, 20)
    found = see(world, 5.0, None, 0.7)
    assert number_of_jpeg(client.picture(found.id, "scene")) == 50
    see(world, 7.0, Box(40, 30, 60, 20), 0.9)
    assert number_of_jpeg(client.picture(found.id, "scene")) == 70
    assert client.picture(found.id)


def taken(world: World, found: Any) -> Taken:
    wanted = PostgresPictureRows(world.database).wanted_of(found.id)
    assert wanted is not None
    made = from_buffer(wanted, world.frames, AvVideo())
    assert made is not None
    return made


def stored_as(each: Taken) -> tuple[str, Callable[[PictureKind], str]]:
    return picture_keys(each.wanted.pass_id, each.wanted.captured_ms)


@pytest.mark.parametrize("late", [0, 1])
def test_pictures_that_were_taken_of_two_reads_at_once_are_taken_again(
    world: World, client: ApiClient, late: int
) -> None:
    """A writer and the API take pictures of a pass; in between it had a better read."""
    world.film("cam1", 0, 20)
    found = see(world, 5.0, Box(40, 30, 60, 20), 0.7)
    both = [taken(world, found)]
    see(world, 6.0, Box(50, 40, 60, 20), 0.95)
    both.append(taken(world, found))

    class Late(PostgresPictureRows):
        def note(self, taken: Taken, path: str) -> bool:
            if taken is both[late]:
                keep(both[1 - late], world.store, self, *stored_as(both[1 - late]))
            return super().note(taken, path)

    keep(both[late], world.store, Late(world.database), *stored_as(both[late]))
    assert number_of_jpeg(client.picture(found.id, "scene")) == 60
    assert number_of_jpeg(client.picture(found.id, "scene")) == 60
    assert PostgresPictureRows(world.database).wanted_of(found.id) is None


def test_a_picture_that_came_along_into_another_pass_stays(world: World) -> None:
    """Somebody took it, too, and finds the pass gone."""
    world.film("cam1", 0, 20)
    rows = PostgresPictureRows(world.database)
    see(world, 1.0, Box(40, 30, 60, 20), 0.7)
    one = taken(world, see(world, 17.0, Box(40, 30, 60, 20), 0.95))
    keep(one, world.store, rows, *stored_as(one))
    whole = see(world, 9.0, Box(40, 30, 60, 20), 0.7)
    assert whole.id != one.wanted.pass_id
    keep(one, world.store, rows, *stored_as(one))
    cleanup(ports(world), {})
    stored = rows.stored_of(whole.id)
    assert stored is not None
    assert number_of_jpeg(world.store.get(picture_key(stored.path, PictureKind.SCENE))) == 170


@pytest.mark.parametrize("box", [None, Box(10_000, 10_000, 5, 5)])
def test_without_a_place_there_is_no_picture_of_the_plate(
    world: World, client: ApiClient, box: Box | None
) -> None:
    world.film("cam1", 0, 20)
    found = see(world, 5.0, box)
    assert client.picture(found.id, "scene")
    with pytest.raises(ApiError, match="no picture of the plate"):
        client.picture(found.id)


def test_where_nothing_shows_it_there_is_none(world: World, client: ApiClient) -> None:
    found = see(world, 5.0, Box(1, 2, 3, 4))
    with pytest.raises(ApiError, match="no picture of the scene"):
        client.picture(found.id, "scene")


def test_a_store_that_refuses_costs_the_picture_and_not_the_part(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.film("cam1", 0, 20)
    see(world, 5.0, Box(40, 30, 60, 20))
    put = type(world.store).put

    def refuse(self: Any, key: str, *given: Any, **more: Any) -> None:
        if key.startswith("pictures/"):
            raise Retryable("the store refuses")
        put(self, key, *given, **more)

    monkeypatch.setattr(type(world.store), "put", refuse)
    finish(world, "cam1")
    assert pictures(world) == []
    rows = world.database.fetch("SELECT status FROM video_segments")
    assert rows == [{"status": "ready"}]


def test_pictures_are_known_to_the_check_and_go_with_retention(world: World) -> None:
    world.film("cam1", 0, 20)
    found = see(world, 5.0, Box(40, 30, 60, 20))
    finish(world, "cam1")
    world.store.put("pictures/2020-01-01/nobody-plate.jpg", b"jpeg", "image/jpeg")
    report = check(checking(world), {"repair": True}).result
    assert report["findings"]["orphan"]["examples"] == ["pictures/2020-01-01/nobody-plate.jpg"]
    assert len(pictures(world)) == 2
    kept = ports(world, RetentionPolicy(pictures_days=0.0))
    world.database.execute("UPDATE passes SET first_at = first_at - interval '1 day'")
    cleanup(kept, {})
    assert pictures(world) == []
    row = world.database.fetch_one("SELECT picture_path, picture_plate FROM passes")
    assert row == {"picture_path": None, "picture_plate": False}
    assert world.passes.get(found.id).reads == 1


def test_pictures_of_passes_that_became_one_are_its_own_or_go(world: World) -> None:
    """Whichever has the best read. No picture stays that no row knows."""
    world.film("cam1", 0, 20)
    box = Box(40, 30, 60, 20)
    see(world, 5.0, box, plate="AB12XCD")
    see(world, 6.0, box, plate="AB123CE", confidence=0.95)
    finish(world, "cam1")
    assert len(pictures(world)) == 4
    see(world, 7.0, box, plate="AB123CD", confidence=0.8)
    (row,) = world.database.fetch(
        "SELECT best_detection_id, picture_of, picture_path, picture_plate, picture_scene FROM passes"
    )
    assert row["picture_of"] == row["best_detection_id"] == "d6.0"
    assert (row["picture_plate"], row["picture_scene"]) == (True, True)
    cleanup(ports(world, RetentionPolicy()), {})
    path = row["picture_path"]
    assert sorted(pictures(world)) == [f"{path}-plate.jpg", f"{path}-scene.jpg"]
    assert world.database.fetch("SELECT * FROM left_pictures") == []
