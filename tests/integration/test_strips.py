"""Strips through store, rows and API: made with the clip, gone with it, and never in its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from shared.adapters.video.av_video import AvVideo
from shared.domain.errors import BadInput, Permanent, Retryable
from shared.domain.segment import Segment
from shared.domain.strips import Strip
from shared.domain.timing import to_ms
from tests.support.jobs import check, checking, cleanup, ports
from tests.support.numbers import read_number
from tests.support.recordings import accept, finish, offer_clip, offer_parts
from tests.support.rows import clip_of
from tests.support.world import World
from workers.writer.finalise import finalise
from workers.writer.write_part import write_part

EVERY_MS = 100


def made(world: World, camera: str = "cam1") -> Segment:
    """A clip of 60 frames, a second less than the film before its end."""
    world.film(camera, 0, 20)
    (segment_id,) = accept(world, camera, 10, f"d-{camera}")
    finish(world, camera)
    return world.segments.row(segment_id)


def numbers(jpeg: bytes, strip: Strip) -> list[int | None]:
    """What the tiles of one row show."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert image.shape == (strip.tile_height, strip.columns * strip.tile_width)
    cut = np.split(image, strip.columns, axis=1)
    return [read_number(np.ascontiguousarray(tile, np.uint8)) for tile in cut]


def test_a_clip_has_a_strip_of_its_frames(world: World, api: TestClient) -> None:
    row = made(world)
    assert (row.status, row.frame_count, row.frames_lost) == ("ready", 60, 0)
    strip = world.segments.strip(row.id)
    assert strip is not None
    assert row.first_frame_at is not None
    assert row.strip_path is not None
    first = (to_ms(row.first_frame_at) - world.base_ms) // EVERY_MS
    shown = numbers(world.store.get(row.strip_path), strip)
    assert shown == [first + offset // EVERY_MS for offset in strip.offsets_ms]
    assert strip.offsets_ms == tuple(range(0, 6000, 500))
    path = f"/v2/video/segments/{row.id}/strip"
    told = api.get(f"{path}.json").json()
    assert told == {
        "tile_width": 160,
        "tile_height": 90,
        "columns": 12,
        "first_frame_at": api.get(f"/v2/video/segments/{row.id}").json()["first_frame_at"],
        "offsets_ms": list(strip.offsets_ms),
    }
    picture = api.get(f"{path}.jpg")
    assert (picture.content, picture.headers["content-type"]) == (
        world.store.get(row.strip_path),
        "image/jpeg",
    )
    again = api.get(f"{path}.jpg", headers={"If-None-Match": picture.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert check(checking(world, age_floor_s=3600), {"deep": True})["clean"]


def test_what_has_no_strip_says_so(world: World, api: TestClient) -> None:
    world.film("cam1", 0, 20)
    (recording,) = accept(world, "cam1", 10, "d")
    without, gone = clip_of(world, "cam2"), clip_of(world, "cam3")
    world.database.execute(
        "UPDATE video_segments SET strip = NULL, strip_path = NULL WHERE id = %s", without
    )
    world.segments.archive(gone, "somebody")
    expected: Sequence[tuple[UUID, int, str]] = (
        (recording, 409, "still recording"),
        (without, 404, "has no strip"),
        (gone, 410, "was deleted"),
    )
    for name in ("strip.jpg", "strip.json"):
        for segment_id, status, words in expected:
            answer = api.get(f"/v2/video/segments/{segment_id}/{name}")
            assert (answer.status_code, words in answer.json()["detail"]) == (status, True), name
            assert (status == 409) == ("retry-after" in answer.headers)


def test_a_part_that_waited_for_storage_keeps_its_sheet(world: World) -> None:
    world.film("cam1", 0, 20)
    (segment_id,) = accept(world, "cam1", 10, "d")
    world.pacing.advance("cam1", world.base_ms + 1_000_000, silent=False)
    offers = offer_parts(world)
    writer = replace(world.writer, store=Refusing(world.store, "parts/", Retryable("away")))
    assert {write_part(*offer, writer) for offer in offers} == {"parked"}
    world.database.execute("UPDATE segment_parts SET not_before = NULL")
    assert {write_part(*offer, world.writer) for offer in offer_parts(world)} == {"done"}
    assert finalise(*offer_clip(world), world.writer) == "ready"
    strip = world.segments.strip(segment_id)
    assert strip is not None
    assert len(strip.offsets_ms) == 12


class Refusing:
    """A store that takes nothing below one prefix."""

    def __init__(self, store: Any, prefix: str, error: Exception) -> None:
        self._store, self._prefix, self._error = store, prefix, error

    def put(self, key: str, *args: Any, **more: Any) -> None:
        if key.startswith(self._prefix):
            raise self._error
        self._store.put(key, *args, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("error", [Retryable("full"), Permanent("forbidden")])
def test_a_store_that_takes_no_strip_costs_no_clip(world: World, error: Exception) -> None:
    world.film("cam1", 0, 20)
    (segment_id,) = accept(world, "cam1", 10, "d")
    world.pacing.advance("cam1", world.base_ms + 1_000_000, silent=False)
    assert {write_part(*offer, world.writer) for offer in offer_parts(world)} == {"done"}
    writer = replace(world.writer, store=Refusing(world.store, "strips/", error))
    assert finalise(*offer_clip(world), writer) == "ready"
    row = world.segments.row(segment_id)
    assert (row.frame_count, row.strip_path, world.segments.strip(segment_id)) == (60, None, None)
    assert row.thumbnail_path is not None
    assert check(checking(world), {"deep": True})["clean"]


def test_a_strip_that_cannot_be_made_costs_no_clip(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise BadInput("frame", "no")

    monkeypatch.setattr(AvVideo, "strip", refuse)
    row = made(world)
    assert (row.status, row.frame_count, row.strip_path) == ("ready", 60, None)


def test_a_clip_that_is_made_again_has_its_strip_again(world: World) -> None:
    row = made(world)
    before, strip = world.store.get(str(row.strip_path)), world.segments.strip(row.id)
    world.store.delete([row.file_path, str(row.strip_path)])
    check(checking(world), {"repair": True, "regular": True})
    assert world.status(row.id) == "finalizing"
    finish(world, "nobody")
    assert world.store.get(str(row.strip_path)) == before
    assert world.segments.strip(row.id) == strip


def test_a_deleted_clip_leaves_no_strip(world: World) -> None:
    row = made(world)
    assert [each.key for each in world.store.walk("strips/")] == [row.strip_path]
    world.segments.archive(row.id, "somebody")
    assert cleanup(ports(world), {})["deleted"] == 1
    assert not list(world.store.walk("strips/"))
    assert world.status(row.id) == "expired"


def test_a_strip_of_no_clip_is_an_orphan(world: World) -> None:
    made(world)
    world.store.put("strips/2026-01-01/nobody_1.jpg", b"x", "image/jpeg")
    report = check(checking(world), {"repair": True})
    assert report["findings"]["orphan"]["examples"] == ["strips/2026-01-01/nobody_1.jpg"]
    assert len(list(world.store.walk("strips/"))) == 1


def test_a_row_forgets_a_strip_that_is_lost(world: World, api: TestClient) -> None:
    row, other = made(world), made(world, "cam2")
    world.store.delete([str(row.strip_path)])
    for params, repaired in (
        ({}, 0),
        ({"repair": True, "regular": True}, 0),
        ({"repair": True}, 1),
    ):
        (kind, each) = next(iter(check(checking(world), params)["findings"].items()))
        assert (kind, each["found"], each["repaired"]) == ("lost_strip", 1, repaired)
        assert each["examples"] == [row.strip_path]
        answer = api.get(f"/v2/video/segments/{row.id}/strip.jpg")
        words = "has no strip" if repaired else "no longer in the store"
        assert (answer.status_code, words in answer.json()["detail"]) == (404, True)
    assert check(checking(world), {})["clean"]
    assert world.segments.row(row.id).status == "ready"
    assert world.segments.strip(other.id) is not None


def test_a_strip_is_looked_at_again_right_before_it_is_forgotten(world: World) -> None:
    row = made(world)
    late: Any = Late(world.store)
    report = check(replace(checking(world), store=late), {"repair": True})
    assert (report["clean"], late.asked) == (True, [row.strip_path] * 2)
    assert world.segments.strip(row.id) is not None


class Late:
    """A store that lists no strip, and has one when it is asked for the second time."""

    def __init__(self, store: Any) -> None:
        self._store, self.asked = store, list[str]()

    def walk(self, prefix: str, after: str = "") -> Any:
        return () if prefix == "strips/" else self._store.walk(prefix, after)

    def head(self, key: str) -> Any:
        if not key.startswith("strips/"):
            return self._store.head(key)
        self.asked.append(key)
        return None if len(self.asked) == 1 else self._store.head(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
