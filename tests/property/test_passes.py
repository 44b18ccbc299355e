"""Which detections are one pass."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.media import Box, Detection
from shared.domain.passes import CameraPasses
from shared.domain.plates import alike, plate_key

GAP_MS = 10_000
TRUE, MISREAD, OTHER = "AB123CD", "AB128CD", "XY987ZZ"

plates = st.sampled_from(
    [TRUE, "AB-123 CD", MISREAD, "A8123CD", "AB1Z3CD", OTHER, "XY9872Z", "AB1", "AB12", ""]
)
moments = st.integers(0, 60).map(lambda tenths: tenths * 1_300)
confidences = st.sampled_from([0.4, 0.6, 0.9])


def read(
    number: int, ms: int, plate: str | None = TRUE, confidence: float = 0.9, box: Box | None = None
) -> Detection:
    return Detection(
        detection_id=f"d{number:03}",
        camera_id="cam",
        captured_ms=ms,
        confidence=confidence,
        plate=plate,
        bbox=box,
    )


reads = st.lists(st.tuples(moments, plates, confidences), max_size=14).map(
    lambda drawn: [read(n, *each) for n, each in enumerate(drawn)]
)


def grouped(detections: Sequence[Detection]) -> tuple[CameraPasses, dict[UUID, list[Detection]]]:
    passes = CameraPasses(GAP_MS, uuid4)
    placed = [(passes.place(each, 0), each) for each in detections]
    groups: dict[UUID, list[Detection]] = {}
    for pass_id, each in placed:
        groups.setdefault(passes.now(pass_id), []).append(each)
    return passes, groups


def named(groups: dict[UUID, list[Detection]]) -> set[frozenset[str]]:
    return {frozenset(each.detection_id for each in group) for group in groups.values()}


def with_plate(detections: Sequence[Detection]) -> list[Detection]:
    return [each for each in detections if each.plate]


@given(reads)
def test_every_detection_is_in_exactly_one_pass(detections: list[Detection]) -> None:
    passes, groups = grouped(detections)
    assert sorted(each.detection_id for group in groups.values() for each in group) == [
        each.detection_id for each in detections
    ]
    assert set(groups) == set(passes.passes)
    for pass_id, group in groups.items():
        found = passes.passes[pass_id]
        assert found.reads == len(group)
        assert found.first_ms == min(each.captured_ms for each in group)
        assert found.last_ms == max(each.captured_ms for each in group)
        assert sum(each.reads for each in found.variants.values()) == len(with_plate(group))
        assert found.best.detection_id in {each.detection_id for each in group}


@given(reads)
def test_passes_with_plates_that_are_alike_are_further_apart_than_the_gap(
    detections: list[Detection],
) -> None:
    passes, _ = grouped(detections)
    for one, other in combinations(passes.passes.values(), 2):
        apart = max(other.first_ms - one.last_ms, one.first_ms - other.last_ms)
        if any(alike(mine, its) for mine in one.variants for its in other.variants):
            assert apart > GAP_MS


@given(reads, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    detections: list[Detection], chance: random.Random
) -> None:
    """Except of reads without a plate, which are placed by what was there before them."""
    detections = with_plate(detections)
    shuffled = chance.sample(detections, len(detections))
    (first, groups), (second, others) = grouped(detections), grouped(shuffled)
    assert named(groups) == named(others)
    assert {(each.plate, each.best) for each in first.passes.values()} == {
        (each.plate, each.best) for each in second.passes.values()
    }


@given(reads)
def test_a_pass_is_connected(detections: list[Detection]) -> None:
    """Nothing is in a pass that no other read of it explains."""
    _, groups = grouped(with_plate(detections))
    for group in groups.values():
        for each in group:
            others = [other for other in group if other is not each]
            assert not others or any(
                alike(plate_key(str(each.plate)), plate_key(str(other.plate))) for other in others
            )


def test_two_cars_at_once_are_two_passes() -> None:
    both = [read(n, 500 * n, (TRUE, OTHER)[n % 2]) for n in range(10)]
    _, groups = grouped(both)
    assert sorted(len(group) for group in groups.values()) == [5, 5]


def test_a_misread_joins_and_the_plate_read_most_surely_wins() -> None:
    """One misread that is very sure does not outweigh two good reads."""
    given = [read(0, 0, MISREAD, 0.95), read(1, 1000, TRUE, 0.6), read(2, 2000, "AB 123-CD", 0.7)]
    passes, _ = grouped(given)
    (found,) = passes.passes.values()
    assert (found.plate, found.best.detection_id) == ("AB 123-CD", "d002")
    assert {key: each.reads for key, each in found.variants.items()} == {MISREAD: 1, TRUE: 2}


def test_a_late_read_joins_what_it_connects_under_the_earlier_id() -> None:
    passes, groups = grouped([read(0, 0), read(1, 15_000), read(2, 7_500)])
    (found,) = passes.passes.values()
    assert (found.first_ms, found.last_ms, found.reads) == (0, 15_000, 3)
    (first,) = [pass_id for pass_id, group in groups.items() if "d000" in group[0].detection_id]
    assert set(passes.gone.values()) == {first} == {found.pass_id}


@pytest.mark.parametrize(("ms", "passes"), [(10_000, 1), (10_001, 2), (-10_000, 1), (-10_001, 2)])
def test_the_gap_counts_from_the_last_and_the_first_read(ms: int, passes: int) -> None:
    assert len(grouped([read(0, 0), read(1, ms)])[1]) == passes


def boxes() -> Iterator[Box]:
    """A vehicle that drives to the right."""
    for step in range(8):
        yield Box(100 + 20 * step, 50, 100, 40)


def test_reads_without_a_plate_follow_their_box() -> None:
    """They come before and after the plate could be read; another vehicle is another pass."""
    driving = [read(n, 400 * n, None, box=box) for n, box in enumerate(boxes())]
    driving[4] = read(4, 1600, TRUE, box=driving[4].bbox)
    aside = [read(10 + n, 400 * n + 100, None, box=Box(900, 400, 100, 40)) for n in range(4)]
    _, groups = grouped(sorted(driving + aside, key=lambda each: each.captured_ms))
    assert named(groups) == {
        frozenset(each.detection_id for each in driving),
        frozenset(each.detection_id for each in aside),
    }


def test_the_next_vehicle_is_not_taken_for_the_one_that_came_before_it_from_the_same_place() -> (
    None
):
    first = [read(n, 400 * n, TRUE, box=box) for n, box in enumerate(boxes())]
    following = [read(10 + n, 6_000 + 400 * n, None, box=box) for n, box in enumerate(boxes())]
    _, groups = grouped(first + following)
    assert sorted(len(group) for group in groups.values()) == [8, 8]


def test_reads_with_neither_plate_nor_box_are_one_pass_and_no_plates() -> None:
    _, groups = grouped([read(0, 0), *(read(n, 900 * n, None) for n in range(1, 6))])
    assert sorted(len(group) for group in groups.values()) == [1, 5]


def test_fragments_are_not_taken_for_each_other() -> None:
    assert len(grouped([read(0, 0, "AB1"), read(1, 100, "AB2"), read(2, 200, "A81")])[1]) == 2
