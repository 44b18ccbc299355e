"""Passes that become one: nothing of what each of them had is lost, or told twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from shared.domain.found_passes import DetailedPass, Review
from shared.domain.plate_lists import ListKind
from shared.domain.ports import CameraBatch, PassFilter, ReadOrder
from tests.support.lists import POLICY, Lists
from tests.support.passes import accept, read
from tests.support.world import World

GAP_S = POLICY.pass_gap_ms / 1000


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


def found_by(world: World, plate: str) -> Sequence[UUID]:
    page = world.passes.search(PassFilter(plate=plate), 10, None, ReadOrder.OLDEST)
    return [each.id for each in page.items]


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


def test_two_passes_on_one_list_become_part_of_a_third(world: World) -> None:
    """Its plates are alike to that of the new read, and not to each other."""
    lists = Lists(world)
    lists.make("stolen", ListKind.WATCH, "AB123CE", "XB123CD")
    lists.accept(-3, "AB12XCD")
    lists.accept(-2, "AB123CE")
    lists.accept(-1, "XB123CD")
    assert len(world.passes.open_passes()) == 3
    lists.accept(0, "AB123CD")
    (one,) = world.passes.open_passes()
    (hit,) = world.passes.hits(one.pass_id)
    assert hit.alerted
    assert str(hit.id) in {each["hit_id"] for each in lists.told()}


def test_a_hit_that_alerted_stays_where_another_kept_quiet(world: World) -> None:
    lists = Lists(world)
    lists.make("stolen", ListKind.WATCH, "AB12XCD", "AB123CE")
    lists.accept(-2, "AB12XCD")
    world.database.execute("UPDATE pass_hits SET alerted = false")
    lists.accept(-1, "AB123CE")
    lists.accept(0, "AB123CD")
    (one,) = world.passes.open_passes()
    (hit,) = world.passes.hits(one.pass_id)
    assert (hit.plate, hit.alerted) == ("AB123CE", True)


def corrected_then_joined(world: World, *said: tuple[str, Review, str | None]) -> DetailedPass:
    accept(world, (-2, "AB12XCD"))
    accept(world, (-1, "AB123CE"))
    for name, review, plate in said:
        world.passes.review(pass_of(world, name), review, plate, None, "somebody")
    accept(world, (0, "AB123CD"))
    (one,) = world.passes.open_passes()
    return world.passes.get(one.pass_id)


FIRST, SECOND = "AB12XCD--2", "AB123CE--1"


@pytest.mark.parametrize("of", [FIRST, SECOND])
def test_a_corrected_plate_is_found_after_its_pass_became_part_of_another(
    world: World, of: str
) -> None:
    found = corrected_then_joined(world, (of, Review.CORRECTED, "MM777MM"))
    assert (found.plate, found.review) == ("MM777MM", Review.CORRECTED)
    assert found_by(world, "MM777MM") == [found.id]
    found = world.passes.review(found.id, Review.UNDONE, None, None, "somebody")
    assert (found.plate, found.review) == (found.read_plate, None)
    assert found_by(world, "MM777MM") == []


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_of_two_corrections_the_later_one_holds(world: World, order: tuple[str, str]) -> None:
    earlier, later = order
    found = corrected_then_joined(
        world, (earlier, Review.CORRECTED, "MM777MM"), (later, Review.CORRECTED, "NN888NN")
    )
    assert found.plate == "NN888NN"
    assert (found_by(world, "NN888NN"), found_by(world, "MM777MM")) == ([found.id], [])
    found = world.passes.review(found.id, Review.UNDONE, None, None, "somebody")
    assert found.plate == "MM777MM"
    assert found_by(world, "MM777MM") == [found.id]


def test_what_was_undone_of_one_pass_stays_undone(world: World) -> None:
    found = corrected_then_joined(
        world,
        (FIRST, Review.CORRECTED, "MM777MM"),
        (SECOND, Review.CONFIRMED, None),
        (FIRST, Review.UNDONE, None),
    )
    assert (found.plate, found.review) == (found.read_plate, Review.CONFIRMED)


def test_segments_of_joined_passes_have_the_plate_of_all(world: World) -> None:
    """The first two have segments of their own, because frames of between are not wanted."""
    gap = GAP_S - 1
    brief = replace(POLICY, buffer_seconds=1, post_event_seconds=1)
    segments: list[UUID] = []
    for at_s, plate in (
        (-gap, "AB128CD"),
        (-gap + 0.1, "AB128CD"),
        (gap, "AB123CE"),
        (0, "AB123CD"),
    ):
        batch = CameraBatch(
            camera_id="cam1",
            detections=[read(world, at_s, plate)],
            policy=brief,
            oldest_ms=0,
            newest_ms=world.base_ms + 60_000,
        )
        (answer,) = world.detections.accept_all([batch])["cam1"]
        segments += answer.segment_ids
    assert len(world.passes.search(PassFilter(), 10, None, ReadOrder.OLDEST).items) == 1
    assert len(set(segments)) == 3
    for segment_id in set(segments):
        assert world.segments.row(segment_id).plates == ["AB128CD"]


def test_a_plate_that_is_right_for_one_pass_and_wrong_for_another_is_shown(world: World) -> None:
    """Both are on one segment: the first was read so, and is another; the second is that plate."""
    accept(world, *stretch(0, 30, "AB123CD"))
    first = pass_of(world, "AB123CD-0.0")
    world.passes.review(first, Review.CORRECTED, "MM777MM", None, "somebody")
    accept(world, *stretch(30 + GAP_S / 2, 30 + GAP_S * 3 / 2 + 1, "LM555XX"))
    (answer,) = accept(world, (32 + GAP_S * 3 / 2, "AB123CD"))
    assert pass_of(world, f"AB123CD-{32 + GAP_S * 3 / 2}") != first
    (segment_id,) = answer.segment_ids
    assert sorted(world.segments.row(segment_id).plates) == ["AB123CD", "LM555XX", "MM777MM"]
