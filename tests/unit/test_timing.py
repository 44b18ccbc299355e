"""Capture time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.timing import (
    BurstSpread,
    CaptureClock,
    FilmTime,
    RateLimit,
    SourceTimeline,
    Verdict,
    from_ms,
    to_ms,
)


def test_times_go_round() -> None:
    assert to_ms(from_ms(1_700_000_000_123)) == 1_700_000_000_123
    with pytest.raises(ValueError, match="time zone"):
        to_ms(datetime(2026, 1, 1))  # noqa: DTZ001 - the naive time is the point


def test_a_new_owner_goes_on_from_the_last_id_and_lets_the_lead_decay() -> None:
    clock = CaptureClock(wall_ms=100_000, monotonic_s=0.0, last_id_ms=100_500)
    assert clock.ready(0.0)
    assert clock.stamp(0.0) == 100_501
    assert clock.stamp(10.0) == 110_000 + 401
    assert clock.stamp(60.0) == 160_000


def test_a_lead_of_more_than_two_seconds_is_waited_out() -> None:
    clock = CaptureClock(wall_ms=100_000, monotonic_s=0.0, last_id_ms=103_000)
    assert not clock.ready(0.0)
    assert clock.ready(1.0)


def test_a_burst_after_a_stall_keeps_its_times() -> None:
    """Frames that wait in a socket for a second and then arrive at once are where they were
    taken.
    """
    timeline = SourceTimeline()
    assert timeline.place(100.0, 0.0) == 100.0
    placed = [timeline.place(101.5 + n * 0.001, 0.1 * n) for n in range(1, 12)]
    assert placed == [pytest.approx(100.0 + 0.1 * n, abs=0.003) for n in range(1, 12)]


def placed(
    true: Callable[[float], float],
    delay: Callable[[float], float] = lambda _: 0.0,
    end_s: float = 30,
    fps: float = 10,
) -> tuple[list[float], int]:
    """By how much later than the world frames are labelled, and how many steps were seen.

    true: the source's own time of a moment. delay: how late what was taken then arrives.
    """
    timeline, arrived = SourceTimeline(), 0.0
    errors = []
    for n in range(round(end_s * fps)):
        taken = 100 + n / fps
        arrived = max(arrived, taken + delay(n / fps))
        label = timeline.place(arrived, true(n / fps))
        assert label <= arrived + 1e-6
        errors.append(label - taken)
    return errors, timeline.steps


def clock_of(steps: dict[float, float]) -> Callable[[float], float]:
    """A source's time that steps by some seconds at some seconds."""
    return lambda at_s: 500 + at_s + sum(by_s for since_s, by_s in steps.items() if at_s >= since_s)


@pytest.mark.parametrize("by_s", [-3, -1.2, -40, -500, 1.2, 4, 3600])
@pytest.mark.parametrize("fps", [1, 10, 30])
def test_a_step_that_arrival_does_not_share_moves_no_label(by_s: float, fps: float) -> None:
    errors, steps = placed(clock_of({10: by_s}), fps=fps)
    assert errors == [pytest.approx(0, abs=0.05)] * len(errors)
    assert steps == 1


def test_two_frames_ahead_of_their_time_move_no_label() -> None:
    errors, steps = placed(clock_of({10: 4, 10.2: -4}))
    assert errors == [pytest.approx(0, abs=0.05)] * len(errors)
    assert steps == 2


def test_a_source_whose_time_stands_still_while_it_pauses_is_late_for_two_seconds_alone() -> None:
    """An encoder that stalls for 4 s and counts on from there, at an even pace: no step back is
    seen.
    """
    timeline = SourceTimeline()
    labels = [timeline.place(100 + n / 10, n / 10) for n in range(100)]
    labels += [timeline.place(114 + n / 10, 10 + n / 10) for n in range(100)]
    assert labels[100] == pytest.approx(110, abs=0.1)
    assert labels[125:] == [pytest.approx(114 + n / 10, abs=0.1) for n in range(25, 100)]
    assert all(b > a for a, b in pairwise(labels))


@pytest.mark.parametrize("stall_s", [0.5, 1.5, 4, 8])
def test_a_stall_of_the_network_is_no_step(stall_s: float) -> None:
    """What was taken meanwhile comes at three times its pace: every frame keeps its moment."""

    def delay(at_s: float) -> float:
        return max(0.0, stall_s - (at_s - 10) * 2 / 3) if at_s >= 10 else 0.0

    errors, steps = placed(clock_of({}), delay)
    assert errors == [pytest.approx(0, abs=0.05)] * len(errors)
    assert steps == 0


def test_a_network_that_falls_behind_little_by_little_is_no_step() -> None:
    """Three seconds late for ten seconds, reached in ten and made up in five: every frame keeps its
    moment.
    """

    def delay(at_s: float) -> float:
        return max(0.0, min(3.0, (at_s - 5) * 0.3, (30 - at_s) * 0.6))

    errors, steps = placed(clock_of({}), delay, end_s=60)
    assert errors == [pytest.approx(0, abs=0.05)] * len(errors)
    assert steps == 0


def test_small_steps_back_add_up_to_one() -> None:
    errors, _ = placed(clock_of({5: -0.8, 10: -0.8, 15: -0.8}))
    assert all(error >= -1.05 for error in errors)
    assert errors[160] == pytest.approx(-0.8, abs=0.05)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.floats(3, 50), st.floats(1.3, 4000), st.sampled_from([-1, 1])), max_size=4
    ),
    st.floats(0, 0.4),
    st.integers(0, 2**32),
)
def test_whatever_steps_a_label_is_late_by_no_more_than_its_arrival_and_soon_right(
    steps: list[tuple[float, float, int]], jitter_s: float, seed: int
) -> None:
    # drawn number by number, examples of 600 frames take long to make on a busy machine
    chance = Random(seed)
    times = {at_s: by_s * sign for at_s, by_s, sign in steps}
    errors, _ = placed(clock_of(times), lambda _: chance.uniform(0, jitter_s), end_s=60)
    settled = [e for n, e in enumerate(errors) if not any(0 <= n / 10 - at_s < 5 for at_s in times)]
    assert all(-0.1 <= error <= jitter_s + 0.1 for error in settled)


def due(times: list[float | None], step_s: float | None) -> list[float | None]:
    film = FilmTime(step_s)
    return [None if at is None else round(at, 3) for at in map(film.place, times)]


@pytest.mark.parametrize(
    ("times", "step_s", "expected"),
    [
        ([3601.4, 3601.5, 3601.6], 0.1, [0, 0.1, 0.2]),
        ([-5.0, -4.9], 0.1, [0, 0.1]),
        ([0.0, 0.1, 3600.0, 3600.1], 0.1, [0, 0.1, 0.2, 0.3]),
        ([9.0, 9.1, 2.0, 2.1], 0.1, [0, 0.1, 0.2, 0.3]),
        # a pause, as films of a changing rate have them
        ([0.0, 0.1, 1.9, 2.0], 0.1, [0, 0.1, 1.9, 2.0]),
        ([0.0, 10.0, 20.0, 30.0], 10, [0, 10, 20, 30]),
        ([0.0, 8.0, 16.0, 3600.0], None, [0, 8, 16, 24]),
        ([None, None, None], 0.04, [0, 0.04, 0.08]),
        ([0.0, None, 0.2], 0.1, [0, 0.1, 0.2]),
        ([None, None], None, [None, None]),
    ],
)
def test_a_film_begins_at_once_and_a_jump_in_it_is_no_pause(
    times: list[float | None], step_s: float | None, expected: list[float | None]
) -> None:
    assert due(times, step_s) == expected


def kept(fps: float, times_ms: Iterable[float]) -> list[Verdict]:
    rate = RateLimit(fps)
    return [rate.take(ms) for ms in times_ms]


def test_rate_limit_thins_without_touching_a_slower_camera() -> None:
    """What was not used in two seconds may be used at once; at the beginning that is all of it."""
    fast = kept(15, (n * 40 for n in range(250)))
    assert 178 <= fast.count(Verdict.KEPT) <= 182
    assert 74 <= fast[-125:].count(Verdict.KEPT) <= 76
    assert Verdict.LOST not in fast
    slow = kept(15, (n * 1000 / 15 + (n % 3 - 1) * 20 for n in range(300)))
    assert set(slow) == {Verdict.KEPT}


@given(st.floats(0.1, 2.0), st.floats(2, 60))
def test_a_camera_below_the_rate_loses_nothing_however_its_pictures_come(
    period_s: float, fps: float
) -> None:
    size = int(fps * period_s)
    times = [burst * period_s * 1000 + n for burst in range(10) for n in range(size)]
    assert set(kept(fps, times)) <= {Verdict.KEPT}


def test_what_a_long_pause_leaves_over_is_lost_and_told() -> None:
    """Ten pictures a second, but all of five seconds at once: two seconds' worth is kept of each
    burst.
    """
    verdicts = kept(15, (burst * 5000 + n for burst in range(4) for n in range(50)))
    assert [verdicts[at : at + 50].count(Verdict.KEPT) for at in range(0, 200, 50)] == [
        32,
        32,
        32,
        32,
    ]
    assert [verdicts[at : at + 50].count(Verdict.LOST) for at in range(0, 200, 50)] == [
        0,
        18,
        18,
        18,
    ]


@pytest.mark.parametrize("fps", [25, 60, 120])
def test_after_a_pause_a_fast_camera_is_thinned_and_nothing_told(fps: float) -> None:
    times = [n * 1000 / fps for n in range(200)]
    assert Verdict.LOST not in kept(15, [*times, *(3_600_000 + ms for ms in times)])


def test_a_place_that_is_given_back_is_taken_by_the_next() -> None:
    """Two parts a tenth of a second, the first of no use: every picture is kept."""
    rate, used = RateLimit(10), []
    for n in range(400):
        verdict = rate.take(n * 50)
        if n % 2:
            used.append(verdict)
        elif verdict is Verdict.KEPT:
            rate.give_back()
    assert set(used) == {Verdict.KEPT}


def bursts(count: int, size: int, every_s: float) -> list[float]:
    return [100 + burst * every_s + n * 0.001 for burst in range(count) for n in range(size)]


@pytest.mark.parametrize(("size", "every_s"), [(10, 1.0), (5, 0.4), (30, 1.5), (3, 0.3)])
def test_pictures_that_come_in_bursts_are_spread(size: int, every_s: float) -> None:
    spread = BurstSpread()
    arrivals = bursts(20, size, every_s)
    labels = [spread.place(at) for at in arrivals]
    assert all(label <= at for label, at in zip(labels, arrivals, strict=True))
    steps = [b - a for a, b in pairwise(labels[10 * size :])]
    assert steps == [pytest.approx(every_s / size, rel=0.3, abs=0.01)] * len(steps)


def test_pictures_that_come_one_by_one_keep_their_arrival() -> None:
    spread, chance = BurstSpread(), Random(1)
    at, arrivals = 100.0, []
    for n in range(400):  # now and then a pause
        at += 0.1 + chance.uniform(-0.02, 0.02) + 3 * (n % 100 == 99)
        arrivals.append(at)
    labels = [spread.place(at) for at in arrivals]
    assert labels == [pytest.approx(at, abs=0.05) for at in arrivals]


def test_a_camera_that_ceases_to_come_in_bursts_keeps_its_arrival_again() -> None:
    spread = BurstSpread()
    for at in bursts(10, 10, 1.0):
        spread.place(at)
    steady = [110 + n / 10 for n in range(100)]
    labels = [spread.place(at) for at in steady]
    assert labels[70:] == [pytest.approx(at, abs=0.02) for at in steady[70:]]
