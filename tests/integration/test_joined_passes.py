"""Passes that become one: nothing of what each of them had is lost, or told twice."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from shared.domain.media import Detection
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Accepted, CameraBatch
from tests.support.world import World

POLICY = RecordingPolicy()
GAP_S = POLICY.pass_gap_ms / 1000


def read(world: World, at_s: float, plate: str) -> Detection:
    return replace(world.detection("cam1", at_s, f"{plate}-{at_s}"), plate=plate)


def accept(world: World, *reads: tuple[float, str]) -> list[Accepted]:
    detections = [read(world, *each) for each in reads]
    batch = CameraBatch(
        camera_id="cam1",
        detections=detections,
        policy=POLICY,
        oldest_ms=0,
        newest_ms=max(each.captured_ms for each in detections),
    )
    return world.detections.accept_all([batch])["cam1"]


def stretch(first_s: float, last_s: float, plate: str) -> list[tuple[float, str]]:
    """Reads close enough to each other to be one pass."""
    count = int((last_s - first_s) // (GAP_S / 2)) + 1
    step = (last_s - first_s) / count
    return [(first_s + step * number, plate) for number in range(count + 1)]


def pass_of(world: World, name: str) -> UUID:
    row = world.database.fetch_one("SELECT pass_id FROM detections WHERE detection_id = %s", name)
    assert row is not None
    found: UUID = row["pass_id"]
    return found


def events(world: World, name: str) -> int:
    row = world.database.fetch_one("SELECT count(*) AS n FROM outbox WHERE name = %s", name)
    return 0 if row is None else int(row["n"])


@pytest.mark.parametrize("beyond_first", [True, False])
def test_what_two_joined_passes_reach_is_joined_too_and_nothing_else_is_touched(
    world: World, *, beyond_first: bool
) -> None:
    """The passes beyond lie further away from the read that joins the two than those that were
    looked for with it.
    """
    sign = 1 if beyond_first else -1
    near = [(sign * at, plate) for at, plate in stretch(-100, -GAP_S + 2, "AB128CD")]
    far = [(sign * at, plate) for at, plate in stretch(5, 100, "AB123CE")]
    accept(world, *sorted(near))
    accept(world, *sorted(far))
    beyond = sign * (100 + GAP_S - 1)
    accept(world, (beyond, "AB128CX"))  # alike to the first, not to the second
    accept(world, (beyond, "ZZ999ZZ"))  # somebody else, who is there then
    world.passes.close_passes(world.passes.open_passes())
    told = events(world, "plate.read")
    (answer,) = accept(world, (0, "AB123CD"))
    assert answer.segment_ids
    rows = world.database.fetch("SELECT id, reads, ended_at FROM passes ORDER BY reads")
    assert [row["reads"] for row in rows] == [1, len(near) + len(far) + 2]
    assert rows[0]["ended_at"] is not None
    assert pass_of(world, f"AB128CX-{beyond}") == rows[1]["id"] != rows[0]["id"]
    assert events(world, "plate.read") - told <= 1
    assert world.counters.differences() == []
