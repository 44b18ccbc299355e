"""kill -9 between every two steps of write_part, finalise, cleanup, check, and dispatch's intake
and pacer.

The points are found by an undisturbed run, so none is forgotten when a step is added. After each
kill somebody else does the work again, and nothing is lost, doubled or left behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import randrange
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.dispatch.wiring import build as build_dispatch
from shared.domain.codec import Codec
from tests.chaos.endure import Row
from tests.chaos.victims import KILLED, Victims, victims
from tests.support.chaos import FULL
from tests.support.h264 import FPS, Coded, as_frames, coded
from tests.support.jobs import check, checking, cleanup, clip, counted, ports, recount
from tests.support.numbers import numbers_of_clip
from tests.support.recordings import finish, offer_clip, offer_parts
from tests.support.world import LIMITS, POLICY, World
from workers.consistency.sentinel import claim_store
from workers.writer.write_part import write_part

PACER_EVERY = 4  # it has more points than all others together
COPIED_EVERY = 3  # most of its points are those of every other codec
UPKEEP_EVERY = 3  # cleanup and check begin anew wherever they were killed
WHOLE = list(range(80, 140))
Told = Callable[[Row], None]


@pytest.fixture(scope="module")
def program() -> Iterator[Victims]:
    with victims() as running:
        yield running


@pytest.fixture
def victim(program: Victims, world: World) -> Victims:
    settings = world.settings.model_dump(mode="json", exclude_none=True)
    for name in ("database_url", "frames_url", "broker_url", "storage_url"):
        settings[name] = getattr(world.settings, name).get_secret_value()
    for camera in settings["cameras"].values():
        camera["source"] = "push:"
    program.settings = settings
    claim_store(world.store, world.consistency)
    return program


class Points:
    """Every point of a use case, each with a camera of its own."""

    def __init__(self, world: World, victim: Victims, use_case: str, fault: str) -> None:
        self._world, self._victim, self._use_case = world, victim, use_case
        self.row = Row(key="F1", fault=fault)
        self.number = 0

    @property
    def camera(self) -> str:
        return f"cam{self.number}"

    def each(self, job: Callable[[], dict[str, Any]], every: int = 1) -> Iterator[str]:
        """Kill at one point after another; yields after each kill, for the caller to heal and look.

        every: outside `make chaos` only each third, say, beginning with any of the first three.
        """
        status, found = self._victim.run(self._use_case, None, **job())
        assert status == 0
        # A lease is renewed every two seconds: only a run that was slow has such a point.
        points = [point for point in found if "renew_" not in point]
        assert len(points) > 4
        self._pass_time()
        yield "undisturbed"
        first, step = (0, 1) if FULL else (randrange(every), every)
        # pytest shows it where a point fails, so that the same ones can be tried again
        print(f"{self._use_case}: point {first} of {len(points)}, then each {step}.")  # noqa: T201
        for point in points[first::step]:
            self.number += 1
            prepared = job()
            assert self._victim.run(self._use_case, point, **prepared)[0] == KILLED, point
            self.row.injected += 1
            self._pass_time()
            yield point

    def _pass_time(self) -> None:
        """Leases run out, and offers that nobody took are old enough to be made again."""
        database = self._world.database
        database.execute(
            "UPDATE segment_parts SET lease_until = now() - interval '1 s' WHERE token IS NOT NULL"
        )
        database.execute(
            "UPDATE video_segments SET lease_until = now() - interval '1 s' WHERE lease_token IS NOT NULL"
        )
        self._world.pacing.expire_leases()
        database.execute(
            "UPDATE segment_parts SET offered_at = now() - interval '1 min' WHERE offered_at IS NOT NULL"
        )
        database.execute(
            "UPDATE video_segments SET offered_at = now() - interval '1 min' WHERE offered_at IS NOT NULL"
        )
        self._world.offers.take_back_lost_parts(queue_empty=True)
        self._world.offers.take_back_lost_clips(queue_empty=True)


COPIED = replace(POLICY, codec=Codec.COPY, fps=FPS, capture_fps=FPS)
COPIED_NUMBERS = list(range(120, 210))


@lru_cache
def packets() -> tuple[Coded, ...]:
    return tuple(coded(range(105, 225), 15))


def recording(world: World, camera: str, *, copied: bool = False) -> UUID:
    """A closed window whose frames are all in the buffer."""
    if copied:
        frames = as_frames(packets(), world.base_ms + 7000, camera)
        world.packets.append(frames, {camera: LIMITS})
    else:
        world.film(camera, 7, 15, first=70)
    (answer,) = world.detections.accept(
        [world.detection(camera, 10, f"{camera}-d")], None, COPIED if copied else POLICY
    )
    world.pacing.advance(camera, world.base_ms + 15_000, silent=False)
    return answer.segment_ids[0]


def whole(world: World, points: Points, segment_id: UUID, point: str, folder: Path) -> None:
    """The clip is READY, has every frame once, and its row says so."""
    row = world.segments.get(segment_id)
    points.row.accepted += 1
    assert row.status == "ready", (point, row.error)
    path = folder / "clip.mp4"
    data = world.store.get(row.file_path)
    path.write_bytes(data)
    expected = COPIED_NUMBERS if row.codec == Codec.COPY else WHOLE
    assert numbers_of_clip(path)[0] == expected, point
    told = row.frame_count, row.frames_lost, row.truncated_reason
    assert told == (len(expected), 0, None), point
    assert len(data) == row.file_size_bytes
    points.row.clips += 1


def left_behind(world: World) -> None:
    """After cleanup and check nothing is in the store that no row expects, and a check finds
    nothing, twice.
    """
    cleanup(ports(world), {})
    check(checking(world), {"repair": True})
    for _ in range(2):
        assert check(checking(world), {"deep": True})["clean"]
    assert not list(world.store.walk("parts/"))
    assert counted(world) == recount(world)


@pytest.mark.parametrize("copied", [False, True])
def test_write_part(
    world: World, victim: Victims, told: Told, tmp_path: Path, copied: bool
) -> None:
    points = Points(world, victim, "write_part", "killed between two steps of write_part")

    def job() -> dict[str, Any]:
        recording(world, points.camera, copied=copied)
        (part_id, offer), *_ = offer_parts(world)
        return {"id": str(part_id), "offer": offer}

    for point in points.each(job, every=COPIED_EVERY if copied else 1):
        finish(world, points.camera)
        (row,) = world.database.fetch(
            "SELECT id FROM video_segments WHERE camera_id = %s", points.camera
        )
        whole(world=world, points=points, segment_id=row["id"], point=point, folder=tmp_path)
    left_behind(world)
    told(points.row)


@pytest.mark.parametrize("copied", [False, True])
def test_finalise(world: World, victim: Victims, told: Told, tmp_path: Path, copied: bool) -> None:
    points = Points(world, victim, "finalise", "killed between two steps of finalise")
    segment: list[UUID] = []

    def job() -> dict[str, Any]:
        segment[:] = [recording(world, points.camera, copied=copied)]
        for part_id, offer in offer_parts(world):
            write_part(part_id, offer, world.writer)
        return {"id": str(segment[0]), "offer": offer_clip(world)[1]}

    for point in points.each(job, every=COPIED_EVERY if copied else 1):
        finish(world, points.camera)
        whole(world=world, points=points, segment_id=segment[0], point=point, folder=tmp_path)
    left_behind(world)
    told(points.row)


def test_cleanup(world: World, victim: Victims, told: Told) -> None:
    """Marking, deleting, recording; and the parts of a clip that is READY."""
    points = Points(world, victim, "cleanup", "killed between two steps of cleanup")
    old: list[UUID] = []

    def job() -> dict[str, Any]:
        old[:] = [clip(world, points.camera, 40 + points.number)]
        kept = recording(world, f"cam{99 - points.number}")
        finish(world, f"cam{99 - points.number}")
        assert world.status(kept) == "ready"
        return {"params": {}}

    for point in points.each(job, every=UPKEEP_EVERY):
        cleanup(ports(world), {})
        check(checking(world), {"repair": True})  # objects of parts whose rows are gone
        assert world.status(old[0]) == "expired", point
        assert world.store.head(str(world.segments.get(old[0]).file_path)) is None, point
        assert counted(world) == recount(world), point
        assert not list(world.store.walk("parts/")), point
        points.row.clips += 1
    left_behind(world)
    told(points.row)


def test_check_repairing(world: World, victim: Victims, told: Told, tmp_path: Path) -> None:
    """An orphan, a clip that the store lost, a failed segment with footage."""
    points = Points(world, victim, "check", "killed between two steps of a repairing check")
    segment: list[UUID] = []

    def job() -> dict[str, Any]:
        segment[:] = [recording(world, points.camera)]
        finish(world, points.camera)
        world.store.delete([str(world.segments.get(segment[0]).file_path)])
        world.store.put(f"parts/{uuid4()}/00000-dead.h264", b"x", "application/octet-stream")
        return {"params": {"repair": True}}

    for point in points.each(job, every=UPKEEP_EVERY):
        check(checking(world), {"repair": True})
        finish(world, points.camera)
        whole(world=world, points=points, segment_id=segment[0], point=point, folder=tmp_path)
        cleanup(ports(world), {})
    left_behind(world)
    told(points.row)


def test_intake(world: World, victim: Victims, told: Told) -> None:
    """Two detections of one camera and one of another in one message batch: read, held, stored,
    acknowledged.
    """
    points = Points(world, victim, "intake", "killed between two steps of the intake")
    dispatch = build_dispatch(world.settings)
    stream = dispatch.intake._ports.stream

    def job() -> dict[str, Any]:
        world.film(points.camera, 50, 60)
        for n, camera in ((1, points.camera), (2, points.camera), (3, beside(points))):
            body = {
                "detection_id": f"{points.camera}-{n}", "camera_id": camera, "confidence": 0.9,
                "captured_at": world.base_ms / 1000 + 55 + n,
            }  # fmt: skip
            stream.publish(json.dumps(body).encode())
        return {}

    try:
        for point in points.each(job):
            _take_over(world, dispatch.intake.read_stream)
            rows = world.database.fetch(
                """
                SELECT d.outcome, count(l.segment_id) AS links FROM detections d
                  LEFT JOIN segment_detections l USING (detection_id, camera_id)
                 WHERE camera_id = ANY(%s) GROUP BY d.detection_id, d.outcome
                """,
                [points.camera, beside(points)],
            )
            assert rows == [{"outcome": "recorded", "links": 1}] * 3, point
            points.row.accepted += 3
            for camera in (points.camera, beside(points)):
                segments = world.database.fetch(
                    "SELECT id FROM video_segments WHERE camera_id = %s", camera
                )
                assert len(segments) == 1, point
                assert set(world.frames.holds(camera)) <= {str(segments[0]["id"])}, point
    finally:
        dispatch.close()
    told(points.row)


def beside(points: Points) -> str:
    """Another camera, of this point alone."""
    return f"cam{99 - points.number}"


def _take_over(world: World, read: Callable[[float], int]) -> None:
    """What another dispatcher does once the dead one's messages are idle: age them, then claim
    until none is left.
    """
    name = world.settings.detections_name
    client = world.redis
    groups: Any = client.xinfo_groups(name)
    while any(group["pending"] or group["lag"] for group in groups):
        waiting: Any = client.xpending_range(name, "dispatch", "-", "+", 100)
        for entry in waiting:
            consumer: Any = entry["consumer"]
            # JUSTID: to grow older is no try to settle it.
            client.xclaim(
                name, "dispatch", consumer, 0, [entry["message_id"]], idle=10_000, justid=True
            )
        read(0.1)
        groups = client.xinfo_groups(name)


def test_pacer(world: World, victim: Victims, told: Told, tmp_path: Path) -> None:
    """Planning, closing, offering, publishing: whatever was not said is said again."""
    points = Points(world, victim, "pacer", "killed between two steps of the pacer")

    def job() -> dict[str, Any]:
        world.film(points.camera, 7, 15, first=70)
        world.detections.accept(
            [world.detection(points.camera, 10, f"{points.camera}-d")], None, POLICY
        )
        return {}

    for point in points.each(job, every=PACER_EVERY):
        finish(world, points.camera)
        (row,) = world.database.fetch(
            "SELECT id FROM video_segments WHERE camera_id = %s", points.camera
        )
        whole(world=world, points=points, segment_id=row["id"], point=point, folder=tmp_path)
    left_behind(world)
    told(points.row)
