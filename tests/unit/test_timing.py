"""Capture time."""

from __future__ import annotations

from datetime import datetime

import pytest

from shared.domain.timing import CaptureClock, RateLimit, SourceTimeline, from_ms, run_is_wrong, to_ms


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
    """Frames that wait in a socket for a second and then arrive at once are where they were taken."""
    timeline = SourceTimeline()
    assert timeline.place(100.0, 0.0) == 100.0
    placed = [timeline.place(101.5 + n * 0.001, 0.1 * n) for n in range(1, 12)]
    assert placed == [pytest.approx(100.0 + 0.1 * n, abs=0.003) for n in range(1, 12)]


def test_a_source_whose_time_jumps_is_anchored_anew() -> None:
    timeline = SourceTimeline()
    timeline.place(100.0, 5000.0)
    assert timeline.place(101.0, 1.0) == 101.0
    assert timeline.place(102.0, 9000.0) == 102.0


def test_rate_limit_thins_without_touching_a_slower_camera() -> None:
    fast = RateLimit(15)
    kept = [n for n in range(250) if fast.take(n * 40)]
    assert 148 <= len(kept) <= 152
    slow = RateLimit(15)
    assert all(slow.take(n * 1000 / 15 + (n % 3 - 1) * 20) for n in range(300))


def test_a_run_that_began_by_a_wrong_clock_is_told_from_a_wrong_host() -> None:
    right = 1_700_000_000_000
    assert run_is_wrong(right + 600_000, right + 500, right)  # the host was put right meanwhile
    assert run_is_wrong(right - 600_000, right, right)
    assert not run_is_wrong(right, right + 600_000, right)  # a step that a run ignores
    assert not run_is_wrong(right + 600_000, right + 600_000, right)  # the host is wrong still
    assert not run_is_wrong(right + 2_000, right, right)  # a lead decays by itself
