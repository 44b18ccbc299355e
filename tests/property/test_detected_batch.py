"""Detections that are stored together make the windows that they would make one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count, pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.detected_batch import condensed, detected_all, joined
from shared.domain.recording import (
    Closed,
    Detected,
    Effect,
    Extended,
    Late,
    Lengthened,
    Missed,
    Opened,
    Reached,
    step,
)
from shared.domain.windows import CameraWindows, Window

detected = st.builds(
    Detected,
    captured_ms=st.integers(100_000, 300_000),
    buffer_ms=st.sampled_from([0, 5_000]),
    post_event_ms=st.sampled_from([1_000, 15_000]),
    max_segment_ms=st.just(40_000),
    oldest_ms=st.none() | st.integers(50_000, 300_000),
    late_ms=st.sampled_from([0, 300, 18_000]),
)
reached = st.builds(Reached, st.integers(100_000, 350_000), st.booleans())
pasts = st.lists(detected | reached, max_size=12)
batches = st.lists(detected, min_size=1, max_size=12).map(
    lambda each: sorted(each, key=lambda one: one.captured_ms)
)


def minting() -> Callable[[], UUID]:
    ids = count(1)
    return lambda: UUID(int=next(ids))


def after(past: Iterable[Detected | Reached], mint: Callable[[], UUID]) -> CameraWindows:
    state = CameraWindows()
    for each in past:
        state, _ = step(state, each, mint)
    return state


def one_by_one(
    state: CameraWindows, batch: Iterable[Detected], mint: Callable[[], UUID]
) -> tuple[CameraWindows, list[Effect], list[tuple[UUID, ...] | None]]:
    effects: list[Effect] = []
    met: list[tuple[UUID, ...] | None] = []
    for each in batch:
        state, more = step(state, each, mint)
        effects += more
        missed = any(isinstance(effect, Missed) for effect in more)
        meeting = tuple(window.segment_id for window in state.meeting(*each.wanted))
        met.append(None if missed else meeting)
    return state, effects, met


def performed(state: CameraWindows, effect: Effect) -> CameraWindows:
    """The rows after one effect."""
    windows = {window.segment_id: window for window in state.windows}
    match effect:
        case Opened(window):
            return state.with_(window)
        case Extended(segment_id, end_ms):
            return state.with_(replace(windows[segment_id], end_ms=end_ms))
        case Late(segment_id, late_ms):
            return state.with_(replace(windows[segment_id], late_ms=late_ms))
        case Lengthened(segment_id, end_ms, late_ms):
            return state.with_(replace(windows[segment_id], end_ms=end_ms, late_ms=late_ms))
        case Closed(segment_id, end_ms):
            return state.with_(replace(windows[segment_id], end_ms=end_ms, growing=False))
    return state


@given(pasts, batches)
def test_a_batch_leads_to_the_same_windows(
    past: list[Detected | Reached], batch: list[Detected]
) -> None:
    mint, again = minting(), minting()
    state, _, met = one_by_one(after(past, mint), batch, mint)
    together, _, met_together = detected_all(after(past, again), batch, again)
    assert (together, met_together) == (state, met)


@given(pasts, batches)
def test_condensed_effects_can_be_performed_and_lead_there(
    past: list[Detected | Reached], batch: list[Detected]
) -> None:
    mint = minting()
    before = after(past, mint)
    state, effects, _ = one_by_one(before, batch, mint)
    few, rows = condensed(effects), before
    for effect in few:
        rows = performed(rows, effect)
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(rows.windows))
        assert sum(window.growing for window in rows.windows) <= 1
    assert rows == state
    kinds = Counter((_segment(effect), type(effect)) for effect in few)
    assert set(kinds.values()) <= {1}


def _segment(effect: Effect) -> UUID:
    assert not isinstance(effect, Missed)
    return effect.window.segment_id if isinstance(effect, Opened) else effect.segment_id


@given(pasts, batches)
def test_windows_near_the_batch_are_enough(
    past: list[Detected | Reached], batch: list[Detected]
) -> None:
    """Those that are asked for: what meets or touches a range, what grows, what follows."""
    mint = minting()
    every = after(past, mint)
    ranges = joined(each.wanted for each in batch)
    near = [w for w in every.windows if w.growing or _near(w, ranges)]
    for _, end_ms in ranges:
        near += [w for w in every.windows if w.start_ms >= end_ms][:1]
    known = CameraWindows(tuple(sorted(set(near), key=lambda w: w.start_ms)))
    ids = list(count_ids(mint, 100))
    all_effects = detected_all(every, batch, iter(ids).__next__)
    near_effects = detected_all(known, batch, iter(ids).__next__)
    assert near_effects[1:] == all_effects[1:]


def count_ids(mint: Callable[[], UUID], number: int) -> Iterable[UUID]:
    return (mint() for _ in range(number))


def _near(window: Window, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(window.start_ms <= end and start <= window.end_ms for start, end in ranges)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=9))
def test_spans_are_joined(given_spans: list[tuple[int, int]]) -> None:
    spans = [(start, start + length) for start, length in given_spans]
    found = joined(spans)
    assert all(a[1] < b[0] for a, b in pairwise(found))
    assert {ms for a, b in spans for ms in range(a, b)} == {
        ms for a, b in found for ms in range(a, b)
    }
