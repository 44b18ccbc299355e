"""The window machine, under any order of inputs."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, count, pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.parts import closing_parts, next_part_end, parts_passed
from shared.domain.recording import (
    SLIVER_MS,
    Closed,
    Detected,
    Extended,
    Input,
    Late,
    Lengthened,
    Missed,
    Opened,
    Reached,
    Stopped,
    Switched,
    lateness,
    step,
)
from shared.domain.windows import CameraWindows

MAXIMUM = 60_000
detected = st.builds(
    Detected,
    captured_ms=st.integers(100_000, 400_000),
    buffer_ms=st.sampled_from([0, 5_000, 7_321]),
    post_event_ms=st.sampled_from([1_000, 15_000]),
    max_segment_ms=st.just(MAXIMUM),
    oldest_ms=st.none() | st.integers(50_000, 300_000),
    late_ms=st.sampled_from([0, 0, 300, 18_000]),
)
late = st.sampled_from([0, 0, 700, 20_000])
reached = st.builds(
    Reached, st.integers(100_000, 450_000), st.booleans(), still_ms=late, behind_ms=late
)
stopped = st.builds(Stopped, st.integers(100_000, 450_000))
BORDER = 250_000
switched = st.just(Switched(BORDER))
histories = st.lists(st.one_of(detected, detected, reached, stopped, switched), max_size=25)


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
def test_a_detection_is_covered_wherever_the_buffer_still_has_its_footage(
    history: list[Input],
) -> None:
    state = CameraWindows()
    for each in history:
        state, effects = step(state, each, mint)
        if not isinstance(each, Detected):
            continue
        start, end = each.wanted
        missing = [
            (a, b)
            for a, b in state.uncovered(start, end)
            if b - a >= SLIVER_MS or a <= each.captured_ms < b
        ]
        if each.oldest_ms is None:
            assert not missing
        else:
            assert all(b <= each.oldest_ms for _, b in missing)
            if any(isinstance(effect, Missed) for effect in effects):
                assert not state.meeting(each.captured_ms, each.captured_ms + 1)


def test_a_window_in_the_past_is_not_lengthened_over_the_border() -> None:
    """A late detection asks for footage on both sides of it, before a window that is there."""
    late = Detected(
        captured_ms=BORDER - 14_000,
        buffer_ms=0,
        post_event_ms=16_000,
        max_segment_ms=MAXIMUM,
        late_ms=300,
        border_ms=BORDER,
    )
    after = replace(late, captured_ms=BORDER + 20_000)
    state, _ = step(CameraWindows(), after, mint)
    state, _ = step(state, late, mint)
    spans = [(window.start_ms, window.end_ms) for window in state.windows]
    assert spans[:2] == [(BORDER - 14_000, BORDER), (BORDER, BORDER + 2_000)]


@given(histories)
def test_no_window_crosses_the_border_between_two_ways_of_recording(history: list[Input]) -> None:
    """From the moment on that somebody knows of it; and the border itself costs no footage."""
    state, known = CameraWindows(), False
    for each in history:
        known = known or isinstance(each, Switched)
        given_now = (
            replace(each, border_ms=BORDER) if known and isinstance(each, Detected) else each
        )
        before = state
        state, _ = step(state, given_now, mint)
        if known:
            assert not any(w.growing and w.start_ms < BORDER < w.end_ms for w in state.windows)
            opened = {w.segment_id for w in state.windows} - {w.segment_id for w in before.windows}
            assert not any(
                w.start_ms < BORDER < w.end_ms for w in state.windows if w.segment_id in opened
            )
        if isinstance(each, Switched) and before.growing is not None:
            lost = list(state.uncovered(before.growing.start_ms, before.growing.end_ms))
            assert all(b - a < SLIVER_MS for a, b in lost)


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
                case Lengthened(segment_id, end_ms):
                    written[segment_id] = (written[segment_id][0], end_ms, False)
                case Late(segment_id, late_ms):
                    assert (
                        next(w for w in state.windows if w.segment_id == segment_id).late_ms
                        == late_ms
                    )
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


PRE, POST = 5_000, 3_000


def windows_of(
    reads: list[int], lag_ms: int, stands: list[int] | None = None
) -> list[tuple[int, int]]:
    """The windows that a reader's reads leave, each so long after its frame; the pacer looks before
    each is handled.

    The buffer's newest frame is always as old as now. stands: for how long those who handle reads
    stand before each. The pacer knows for how long the read that is next has waited.
    """
    state, now = CameraWindows(), 0
    for captured_ms, stand_ms in zip(reads, stands or [0] * len(reads), strict=True):
        came_ms = captured_ms + lag_ms
        now = max(now, came_ms + stand_ms)
        state, _ = step(state, Reached(now, behind_ms=now - came_ms), mint)
        late_ms = lateness(captured_ms, now, 45_000)
        state, _ = step(state, Detected(captured_ms, PRE, POST, MAXIMUM, late_ms=late_ms), mint)
    state, _ = step(state, Reached(now + 10**6), mint)
    assert all(not window.growing for window in state.windows)
    return [(window.start_ms, window.end_ms) for window in state.windows]


STREAMS = st.lists(st.integers(0, 12_000), min_size=1, max_size=80).map(
    lambda gaps: list(accumulate(gaps, initial=10**6))
)


@given(STREAMS, st.integers(0, 45_000))
def test_a_steady_stream_that_comes_late_makes_the_windows_of_a_punctual_one(
    reads: list[int], lag_ms: int
) -> None:
    assert windows_of(reads, lag_ms) == windows_of(reads, 0)


@given(STREAMS, st.integers(0, 20_000), st.data())
def test_a_dispatcher_that_stands_and_goes_on_makes_no_more_windows(
    reads: list[int], lag_ms: int, data: st.DataObject
) -> None:
    """It handles what came meanwhile at once, in order, of a reader that is late by itself."""
    stand = st.sampled_from([0, 0, 0, 200, 20_000])
    stands = data.draw(st.lists(stand, min_size=len(reads), max_size=len(reads)))
    assert len(windows_of(reads, lag_ms, stands)) <= len(windows_of(reads, 0))


def test_an_event_that_is_read_late_is_one_clip_a_maximum() -> None:
    """Five reads a second for 40 s, 18 s late, with a post-roll of 3 s: it was a clip a second."""
    reads = [10**6 + n * 200 for n in range(200)]
    assert windows_of(reads, 18_000) == [(10**6 - PRE, reads[-1] + POST)]
    assert len(windows_of([10**6 + n * 200 for n in range(1_000)], 18_000)) == 4


def test_lag_that_shrinks_or_grows_cuts_no_event() -> None:
    for change_ms in (-100, 100):
        state = CameraWindows()
        for n in range(200):
            captured_ms, late_ms = 10**6 + n * 200, (20_000 if change_ms < 0 else 0) + n * change_ms
            state, _ = step(state, Reached(captured_ms + late_ms), mint)
            state, _ = step(state, Detected(captured_ms, PRE, POST, MAXIMUM, late_ms=late_ms), mint)
        assert len(state.windows) == 1


def test_a_punctual_reader_does_not_wait() -> None:
    state, _ = step(CameraWindows(), Detected(100_000, PRE, POST, MAXIMUM), mint)
    _, effects = step(state, Reached(100_000 + POST), mint)
    assert [type(effect) for effect in effects] == [Closed]


def test_a_silent_camera_waits_for_late_detections_too() -> None:
    """The frames are there, and their reads still come: a window closed at once would be followed
    by one a read.
    """
    state, _ = step(CameraWindows(), Detected(100_000, PRE, 15_000, MAXIMUM, late_ms=18_000), mint)
    assert step(state, Reached(104_000, silent=True, still_ms=7_100), mint) == (state, ())
    _, effects = step(state, Reached(104_000, silent=True, still_ms=18_000), mint)
    assert [(effect.end_ms, effect.early) for effect in effects if isinstance(effect, Closed)] == [
        (104_001, "camera_silent"),
    ]  # fmt: skip


def test_late_reads_of_before_another_recording_are_one_clip() -> None:
    """Two dispatchers share what came while they stood: the newer half opens the recording, the
    older comes after.
    """
    state, _ = step(CameraWindows(), Detected(200_000, PRE, POST, MAXIMUM), mint)
    for captured_ms in range(150_000, 180_000, 200):
        state, _ = step(
            state, Detected(captured_ms, PRE, POST, MAXIMUM, late_ms=200_000 - captured_ms), mint
        )
    past, growing = state.windows
    assert (past.start_ms, past.growing, growing.growing) == (145_000, False, True)
    assert 0 <= 179_800 + POST - past.end_ms < SLIVER_MS


@given(
    st.integers(2_000, 100_000),
    st.sampled_from([1_000, 2_000, 5_000, 15_000]),
    st.lists(st.tuples(st.integers(0, 120_000), st.integers(0, 20_000)), max_size=20),
)
def test_parts_tile_the_window(deadline: int, part_ms: int, moves: list[tuple[int, int]]) -> None:
    """However watermark and deadline move, parts follow each other without hole or overlap, and
    none is tiny.
    """
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


def test_the_tail_of_a_late_recording_is_not_cut_into_seconds() -> None:
    """Each late read moves the end by less than a part: what is not full waits until no more reads
    need be expected.
    """
    covered, parts = 0, 0
    for read_ms in range(0, 60_000, 200):
        passed = list(
            parts_passed(covered, read_ms + 15_000, 5_000, read_ms + 18_000, late_ms=18_000)
        )
        parts += len(passed)
        covered = passed[-1][1] if passed else covered
    assert covered == 70_000
    assert parts == 14
    assert list(parts_passed(covered, 74_800, 5_000, 73_800 + 17_999, late_ms=18_000)) == []
    assert list(parts_passed(covered, 74_800, 5_000, 73_800 + 18_000, late_ms=18_000)) == [
        (70_000, 73_800)
    ]


@given(st.lists(st.integers(200_000, 203_000), min_size=1, max_size=60))
def test_detections_in_any_order_within_seconds_make_a_few_segments_and_no_slivers(
    moments: list[int],
) -> None:
    """As a storm brings them: however many, there are no more segments than seconds of disorder."""
    state = CameraWindows()
    for captured_ms in moments:
        state, _ = step(state, Detected(captured_ms, 5_000, 15_000, MAXIMUM), mint)
    assert len(state.windows) <= 4
    assert all(window.end_ms - window.start_ms >= SLIVER_MS for window in state.windows)
