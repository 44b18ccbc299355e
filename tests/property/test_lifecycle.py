"""States only move along their tables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.lifecycle import (
    ARCHIVED,
    LIVE,
    PART_TRANSITIONS,
    TRANSITIONS,
    PartState,
    SegmentStatus,
)


@given(st.lists(st.sampled_from(SegmentStatus), max_size=40))
def test_whatever_is_wished_a_window_is_closed_once_and_what_is_archived_never_comes_back(
    wishes: list[SegmentStatus],
) -> None:
    state, path = SegmentStatus.RECORDING, [SegmentStatus.RECORDING]
    for wish in wishes:
        if wish in TRANSITIONS[state]:
            state = wish
            path.append(state)
    assert path.count(SegmentStatus.RECORDING) == 1
    assert path.count(SegmentStatus.EXPIRED) <= path.count(SegmentStatus.EXPIRING) <= 1
    if SegmentStatus.EXPIRING in path:
        assert set(path[path.index(SegmentStatus.EXPIRING) + 1 :]) <= ARCHIVED


def test_tables_are_whole_and_end_somewhere() -> None:
    assert set(TRANSITIONS) == set(SegmentStatus)
    assert set(PART_TRANSITIONS) == set(PartState)
    assert TRANSITIONS[SegmentStatus.EXPIRED] == frozenset()
    assert not PART_TRANSITIONS[PartState.DONE] | PART_TRANSITIONS[PartState.GAP]
    assert LIVE.isdisjoint(ARCHIVED | {SegmentStatus.FAILED})
