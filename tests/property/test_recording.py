"""The window machine, under any order of inputs."""

from __future__ import annotations

from itertools import count, pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.parts import closing_parts, next_part_end, parts_passed
from shared.domain.recording import (
    SLIVER_MS,
    CameraWindows,
    Closed,
    Detected,
    Extended,
    Input,
    Missed,
    Opened,
    Reached,
    Stopped,
    step,
)

MAXIMUM = 60_000
detected = st.builds(
    Detected,
    captured_ms=st.integers(100_000, 400_000),
    buffer_ms=st.sampled_from([0, 5_000, 7_321]),
    post_event_ms=st.sampled_from([1_000, 15_000]),
    max_segment_ms=st.just(MAXIMUM),
    oldest_ms=st.none() | st.integers(50_000, 300_000),
)
reached = st.builds(Reached, st.integers(100_000, 450_000), st.booleans())
stopped = st.builds(Stopped, st.integers(100_000, 450_000))
histories = st.lists(st.one_of(detected, detected, reached, stopped), max_size=25)


def mint() -> UUID:
    return UUID(int=next(_ids))


_ids = count(1)


@given(histories)
def test_windows_never_overlap_exceed_the_maximum_or_grow_twice(history: list[Input]) -> None:
    state = CameraWindows()
    for each in history:
        state, _ = step(state, each, mint)
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(state.windows))
        assert all(0 < w.end_ms - w.start_ms <= MAXIMUM for w in state.windows)
        assert sum(w.growing for w in state.windows) <= 1


@given(histories)
def test_a_detection_is_covered_wherever_the_buffer_still_has_its_footage(history: list[Input]) -> None:
    state = CameraWindows()
    for each in history:
        state, effects = step(state, each, mint)
        if not isinstance(each, Detected):
            continue
        start, end = each.wanted
        missing = [(a, b) for a, b in state.uncovered(start, end) if b - a >= SLIVER_MS or a <= each.captured_ms < b]
        if each.oldest_ms is None:
            assert not missing
        else:
            assert all(b <= each.oldest_ms for _, b in missing)
            if any(isinstance(effect, Missed) for effect in effects):
                assert not state.meeting(each.captured_ms, each.captured_ms + 1)


@given(histories)
def test_a_repeated_input_changes_nothing(history: list[Input]) -> None:
    state = CameraWindows()
    for each in history:
        state, _ = step(state, each, mint)
        if not isinstance(each, Stopped):
            again, effects = step(state, each, mint)
            assert again == state
            assert all(isinstance(effect, Missed) for effect in effects)


@given(histories)
def test_effects_tell_exactly_what_changed(history: list[Input]) -> None:
    """Whoever only writes down the effects has the same windows."""
    state, written = CameraWindows(), {}
    for each in history:
        state, effects = step(state, each, mint)
        for effect in effects:
            match effect:
                case Opened(window):
                    written[window.segment_id] = (window.start_ms, window.end_ms, window.growing)
                case Extended(segment_id, end_ms):
                    written[segment_id] = (written[segment_id][0], end_ms, True)
                case Closed(segment_id, end_ms):
                    written[segment_id] = (written[segment_id][0], end_ms, False)
                case Missed():
                    pass
        assert written == {w.segment_id: (w.start_ms, w.end_ms, w.growing) for w in state.windows}


@given(histories)
def test_a_continuation_begins_where_its_neighbour_ends(history: list[Input]) -> None:
    state = CameraWindows()
    for each in history:
        state, effects = step(state, each, mint)
        for effect in effects:
            if isinstance(effect, Opened) and effect.continues is not None:
                neighbour = next(w for w in state.windows if w.segment_id == effect.continues)
                assert neighbour.end_ms == effect.window.start_ms


@given(
    st.integers(2_000, 100_000),
    st.sampled_from([1_000, 2_000, 5_000, 15_000]),
    st.lists(st.tuples(st.integers(0, 120_000), st.integers(0, 20_000)), max_size=20),
)
def test_parts_tile_the_window(deadline: int, part_ms: int, moves: list[tuple[int, int]]) -> None:
    """However watermark and deadline move, parts follow each other without hole or overlap, and none is tiny."""
    covered, parts = 0, []
    for watermark, later in moves:
        for start, end in parts_passed(covered, deadline, part_ms, watermark):
            assert end <= min(watermark, deadline)
            parts.append((start, end))
            covered = end
        deadline += later
    parts += closing_parts(covered, deadline, part_ms)
    assert parts[0][0] == 0
    assert parts[-1][1] == deadline
    assert all(a[1] == b[0] for a, b in pairwise(parts))
    assert all(0 < end - start <= part_ms + 1_000 for start, end in parts)


def test_the_tail_of_a_growing_window_is_kept_back() -> None:
    """The deadline may move; so the last second is planned only when the window closes."""
    assert next_part_end(0, 20_000, 5_000) == 5_000
    assert next_part_end(15_000, 20_000, 5_000) == 19_000
    assert next_part_end(19_000, 20_000, 5_000) is None
    assert list(closing_parts(19_000, 20_000, 5_000)) == [(19_000, 20_000)]


@given(st.lists(st.integers(200_000, 203_000), min_size=1, max_size=60))
def test_detections_in_any_order_within_seconds_make_a_few_segments_and_no_slivers(moments: list[int]) -> None:
    """As a storm brings them: however many, there are no more segments than seconds of disorder."""
    state = CameraWindows()
    for captured_ms in moments:
        state, _ = step(state, Detected(captured_ms, 5_000, 15_000, MAXIMUM), mint)
    assert len(state.windows) <= 4
    assert all(window.end_ms - window.start_ms >= SLIVER_MS for window in state.windows)
