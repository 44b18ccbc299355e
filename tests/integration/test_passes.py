"""Passes on real rows: which detections are one, and what becomes of a vehicle that stays."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Box, Detection
from shared.domain.passes import CameraPasses
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Accepted, CameraBatch, OpenPass
from shared.domain.retention import ReadsKept
from tests.support.rows import ready
from tests.support.world import World

HOUR_S = 3_600
POLICY = RecordingPolicy()
SLOT = Box(400, 300, 120, 40)
STREET = Box(100, 300, 120, 40)


def read(
    world: World, at_s: float, plate: str | None = "AB123CD", box: Box | None = None, name: str = ""
) -> Detection:
    return replace(world.detection("cam1", at_s, name or f"{plate}-{at_s}"), plate=plate, bbox=box)


def accept(
    world: World, detections: Sequence[Detection], policy: RecordingPolicy = POLICY
) -> list[Accepted]:
    """As one dispatcher takes them: in order of capture, with all frames in the buffer."""
    batch = CameraBatch(
        camera_id="cam1",
        detections=sorted(detections, key=lambda each: each.captured_ms),
        policy=policy,
        oldest_ms=0,
        newest_ms=max(each.captured_ms for each in detections),
    )
    return world.detections.accept_all([batch])["cam1"]


def recorded_s(world: World) -> list[tuple[float, float]]:
    """The stretches of time that are recorded, in seconds after base; those that touch as one."""
    found: list[tuple[float, float]] = []
    for row in world.database.fetch(
        "SELECT start_time, deadline FROM video_segments ORDER BY start_time"
    ):
        start, end = (
            (row[name].timestamp() * 1000 - world.base_ms) / 1000
            for name in ("start_time", "deadline")
        )
        if found and round(start - found[-1][1], 3) <= 0:
            found[-1] = (found[-1][0], round(end, 3))
        else:
            found.append((round(start, 3), round(end, 3)))
    return found


def a_parked_car(world: World, *, boxes: bool = True) -> list[Detection]:
    """It comes, stands for an hour, and leaves in the last three seconds. A detector reports it
    once a second; its reader misreads it every third time.
    """
    detections = []
    for second in range(HOUR_S):
        plate = "AB123CD" if second % 3 else "AB128CD"
        box = replace(SLOT, x=SLOT.x + second % 4, y=SLOT.y - second % 3)
        if second >= HOUR_S - 3:
            box = replace(STREET, x=STREET.x + 30 * (second - HOUR_S))
        detections.append(read(world, second, plate, box if boxes else None))
    return detections


def in_batches(detections: Sequence[Detection], size: int) -> list[list[Detection]]:
    return [list(detections[at : at + size]) for at in range(0, len(detections), size)]


def test_of_a_parked_car_arrival_five_minutes_and_departure_are_recorded(world: World) -> None:
    """Another car that drives by meanwhile is recorded as ever. Detections come in bursts and out
    of order, and a dispatcher that is killed leaves some of them to be read again.
    """
    chance = random.Random(7)
    given = a_parked_car(world) + [read(world, 1800 + n, "XY987ZZ", STREET) for n in range(4)]
    given.sort(key=lambda each: each.captured_ms + chance.randrange(4_000))
    for batch in in_batches(given, 50):
        accept(world, batch)
        accept(world, chance.sample(batch, min(10, len(batch))))
    assert recorded_s(world) == [(-5, 315), (1795, 1818), (HOUR_S - 8, HOUR_S - 1 + 15)]
    passes = world.database.fetch("SELECT plate, reads FROM passes ORDER BY first_at")
    assert [(row["plate"], row["reads"]) for row in passes] == [("AB123CD", 3600), ("XY987ZZ", 4)]


def test_without_boxes_nobody_sees_that_it_leaves(world: World) -> None:
    for batch in in_batches(a_parked_car(world, boxes=False), 100):
        accept(world, batch)
    assert recorded_s(world) == [(-5, 315)]
    counted = world.database.fetch(
        "SELECT outcome, count(*) AS n FROM detections GROUP BY 1 ORDER BY 1"
    )
    assert counted == [{"outcome": "quiet", "n": 3299}, {"outcome": "recorded", "n": 301}]


def test_without_a_limit_every_detection_extends_for_ever(world: World) -> None:
    for batch in in_batches(a_parked_car(world)[:700], 100):
        accept(world, batch, replace(POLICY, max_pass_seconds=None))
    assert recorded_s(world) == [(-5, 714)]


def test_a_shaking_box_costs_one_event_and_a_second_place_is_watched_anew(world: World) -> None:
    """One box beside the place is no departure; a car that parks again is recorded again."""
    standing = [read(world, second, box=SLOT) for second in range(400)]
    standing[350] = read(world, 350, box=STREET)
    moved = [read(world, second, box=STREET) for second in range(400, 1000)]
    for batch in in_batches(standing + moved, 50):
        accept(world, batch)
    assert recorded_s(world) == [(-5, 315), (345, 365), (395, 715)]


def test_the_rows_have_the_passes_that_the_rule_has(world: World) -> None:
    """Whatever comes together, in whatever order, and however often."""
    chance = random.Random(3)
    plates = ["AB123CD", "AB128CD", "A8123CD", "XY987ZZ", "XY9872Z", "LM555"]
    given = [
        read(world, second / 2, chance.choice(plates), name=f"d{second}")
        for second in sorted(chance.sample(range(1200), 120))
    ]
    rule = CameraPasses(POLICY.pass_gap_ms, uuid4)
    places = {each.detection_id: rule.place(each, 0) for each in given}
    wanted: dict[object, set[str]] = {}
    for name, pass_id in places.items():
        wanted.setdefault(rule.now(pass_id), set()).add(name)
    mixed = chance.sample(given, len(given))
    for batch in in_batches(mixed, 7):
        accept(world, batch)
        accept(world, batch[:3])
    rows = world.database.fetch(
        "SELECT pass_id, array_agg(detection_id) AS names FROM detections GROUP BY pass_id"
    )
    assert {frozenset(row["names"]) for row in rows} == {
        frozenset(each) for each in wanted.values()
    }
    stored = world.database.fetch(
        "SELECT plate, reads, round(extract(epoch FROM first_at) * 1000) AS first FROM passes ORDER BY 3, 1"
    )
    assert [(row["plate"], row["reads"], int(row["first"])) for row in stored] == sorted(
        ((each.plate, each.reads, each.first_ms) for each in rule.passes.values()),
        key=lambda each: (each[2], each[0] or ""),
    )
    sums = world.database.fetch_one(
        "SELECT sum(reads) AS n, (SELECT sum(reads) FROM passes) AS m FROM pass_plates"
    )
    assert sums == {"n": 120, "m": 120}


def test_a_plate_is_told_when_it_is_read_and_when_it_is_read_better(world: World) -> None:
    accept(world, [replace(read(world, 0, "AB128CD"), confidence=0.6)])
    accept(world, [replace(read(world, 1), confidence=0.95)])
    accept(world, [read(world, 2), read(world, 2.5, None)])
    told = world.database.fetch("SELECT body FROM outbox WHERE name = 'plate.read' ORDER BY id")
    said = [(row["body"]["plate"], row["body"]["instead_of"]) for row in told]
    assert said == [("AB128CD", None), ("AB123CD", "AB128CD")]
    assert told[0]["body"]["pass_id"] == told[1]["body"]["pass_id"]


def test_a_segment_has_the_plates_of_its_passes_and_no_misread(world: World) -> None:
    (answer,) = accept(world, [replace(read(world, 0, "AB128CD"), confidence=0.6)])
    (segment_id,) = answer.segment_ids
    assert world.segments.row(segment_id).plates == ["AB128CD"]
    accept(world, [read(world, 1), read(world, 2, "XY987ZZ")])
    assert sorted(world.segments.row(segment_id).plates) == ["AB123CD", "XY987ZZ"]


def test_reads_below_the_threshold_are_of_a_pass_that_is_not_recorded(world: World) -> None:
    accept(world, [replace(read(world, 0), confidence=0.4)])
    (row,) = world.database.fetch("SELECT reads, recorded FROM passes")
    assert row == {"reads": 1, "recorded": False}
    (answer,) = accept(world, [read(world, 1)])
    assert answer.outcome is DetectionOutcome.RECORDED
    (row,) = world.database.fetch("SELECT reads, recorded FROM passes")
    assert row == {"reads": 2, "recorded": True}


def test_a_pass_ends_once_unless_it_has_got_a_read(world: World) -> None:
    accept(world, [read(world, 0)])
    (before,) = world.passes.open_passes()
    accept(world, [read(world, 1)])
    assert world.passes.close_passes([before]) == 0
    (now,) = world.passes.open_passes()
    assert [world.passes.close_passes([now]) for _ in range(2)] == [1, 0]
    (event,) = world.database.fetch("SELECT body FROM outbox WHERE name = 'pass.closed'")
    assert (event["body"]["plate"], event["body"]["reads"]) == ("AB123CD", 2)
    accept(world, [read(world, 0.5)])  # late: it is of the same pass, which is told anew
    (again,) = world.passes.open_passes()
    assert (again.pass_id, again.last_ms) == (now.pass_id, now.last_ms)
    assert isinstance(again, OpenPass)
    assert world.passes.close_passes([again]) == 1


def test_what_was_there_before_passes_keeps_its_plates(world: World) -> None:
    segment_id = ready(world, "cam1", 0, ["AB123CD", "XY987ZZ"])
    assert sorted(world.segments.row(segment_id).plates) == ["AB123CD", "XY987ZZ"]


@pytest.mark.parametrize("size", [1, 200])
def test_counters_know_every_read_and_pass(world: World, size: int) -> None:
    for batch in in_batches(a_parked_car(world)[:200], size):
        accept(world, batch)
    accept(world, [read(world, 500), read(world, 900, "XY987ZZ")])
    rows = world.database.fetch(
        "SELECT kind, sum(number)::int AS n FROM read_totals GROUP BY 1 ORDER BY 1"
    )
    assert rows == [{"kind": "pass", "n": 3}, {"kind": "recorded", "n": 202}]
    assert world.counters.fold(1_000) > 0
    assert world.counters.differences() == []
    world.database.execute("UPDATE read_counters SET number = number + 5 WHERE kind = 'pass'")
    (wrong,) = world.counters.differences()
    assert "pass: -5" in wrong
    world.counters.recount()
    assert world.counters.differences() == []


def test_old_reads_go_with_their_passes_and_hits_stay_for_their_list(world: World) -> None:
    for at_s, plate in ((-10 * 86_400, "AB123CD"), (-10 * 86_400 + 60, "XY987ZZ"), (0, "LM555XX")):
        accept(world, [replace(read(world, at_s, plate), confidence=0.3)])
    world.passes.close_passes(world.passes.open_passes())
    world.database.execute("UPDATE detections SET created_at = captured_at")
    world.database.execute(
        """
        WITH watched AS (INSERT INTO plate_lists (name, kind, hit_days) VALUES ('stolen', 'watch', 20) RETURNING id)
        INSERT INTO pass_hits (pass_id, list_id, list_name, kind, entry, plate, plate_key, distance, detection_id, at,
               alerted)
        SELECT p.id, w.id, 'stolen', 'watch', p.plate, p.plate, p.plate, 0, p.best_detection_id, p.first_at, true
          FROM passes p CROSS JOIN watched w WHERE p.plate = 'XY987ZZ'
        """
    )
    kept = ReadsKept(days=5)
    assert world.retention.purge_passes(kept, 100) == 0  # their reads are there
    assert world.retention.purge_reads(kept, 100) == 1
    assert world.retention.purge_passes(kept, 100) == 1
    left = world.database.fetch("SELECT plate FROM passes ORDER BY first_at")
    assert [row["plate"] for row in left] == ["XY987ZZ", "LM555XX"]
    assert world.counters.differences() == []
