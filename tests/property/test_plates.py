"""How far two plates are apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.plates import ALIKE, SHORT, alike, plate_distance, plate_key

plates = st.text("A01OIBD8S5Z2Ä- x", max_size=9)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("AB12 CD", "ab-12cd", 0),
        ("A8O", "ABO", 0.1),  # B reads as 8
        ("ABO", "A80", 0.2),
        ("ABC", "AXC", 1),
        ("ABC", "AC", 1),
        ("A0C", "AXQ", 2),
        ("", "ABC", 3),
    ],
)
def test_look_alikes_count_a_tenth(one: str, other: str, distance: float) -> None:
    assert plate_distance(one, other) == distance


@given(plates, plates, plates)
def test_it_is_a_distance(one: str, other: str, third: str) -> None:
    distance = plate_distance(one, other)
    assert distance == plate_distance(other, one)
    assert (distance == 0) == (plate_key(one) == plate_key(other))
    assert distance <= plate_distance(one, third) + plate_distance(third, other) + 1e-9


@given(plates, st.integers(0, 8), st.sampled_from("ÄX7"))
def test_one_edit_is_at_most_one_apart(plate: str, place: int, character: str) -> None:
    changed = plate[:place] + character + plate[place + 1 :]
    assert plate_distance(plate, changed) <= 1


@given(plates.map(plate_key), plates.map(plate_key))
def test_alike_is_near_by_the_distance(one: str, other: str) -> None:
    if min(len(one), len(other)) >= SHORT:
        assert alike(one, other) == (plate_distance(one, other) <= ALIKE)
    else:
        assert not alike(one, other) or plate_distance(one, other) < 1


@given(
    st.text("A01OIB8S5", min_size=4, max_size=9),
    st.integers(0, 8),
    st.sampled_from(["", "7", "OO"]),
)
def test_alike_is_near_by_the_distance_for_plates_that_hardly_differ(
    one: str, place: int, put: str
) -> None:
    other = one[:place] + put + one[place + 1 :]
    if len(other) >= SHORT:
        assert alike(one, other) == (plate_distance(one, other) <= ALIKE)
