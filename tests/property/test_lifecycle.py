"""States only move along their table."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Conflict
from shared.domain.lifecycle import LIVE, PART_TRANSITIONS, TRANSITIONS, PartState, SegmentStatus, advance


@given(st.lists(st.sampled_from(SegmentStatus), max_size=30))
def test_any_order_and_repetition_of_wishes_stays_inside_the_table(wishes: list[SegmentStatus]) -> None:
    state, path = SegmentStatus.RECORDING, [SegmentStatus.RECORDING]
    for wish in wishes:
        try:
            state = advance(state, wish)
        except Conflict:
            continue
        path.append(state)
    assert all(b in TRANSITIONS[a] for a, b in itertools.pairwise(path))
    assert path.count(SegmentStatus.READY) <= 1
    assert path.count(SegmentStatus.EXPIRED) <= 1


def test_tables_are_closed_and_end_somewhere() -> None:
    assert set(TRANSITIONS) == set(SegmentStatus)
    assert set(PART_TRANSITIONS) == set(PartState)
    assert TRANSITIONS[SegmentStatus.EXPIRED] == frozenset()
    assert SegmentStatus.FAILED not in LIVE


def test_a_ready_clip_never_goes_back() -> None:
    with pytest.raises(Conflict, match="ready"):
        advance(SegmentStatus.READY, SegmentStatus.RECORDING)
