"""Growth, and days left: by hand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from shared.domain.growth import Capacity, Forecast, forecast, until_somebody_must_act
from shared.domain.retention import RetentionPolicy, RetentionRule

TODAY = date(2026, 11, 25)


def days(*sizes: int) -> dict[date, int]:
    """Bytes of today, of yesterday, and so on."""
    return {TODAY - timedelta(days=ago): size for ago, size in enumerate(sizes) if size}


@pytest.mark.parametrize(
    ("by_day", "used", "limit", "kept_days", "expected"),
    [
        ({}, 0, 1000, None, Forecast(None, None)),
        (days(500), 500, 1000, None, Forecast(None, None)),
        (days(999, 100), 1099, 2099, None, Forecast(100, 10)),
        (days(0, 300, 0, 300), 600, 1600, None, Forecast(200, 5)),
        (days(0, *[70] * 7, 9999), 10_489, 10_559, None, Forecast(70, 1)),
        (days(0, 100), 900, 1000, 30, Forecast(100, 1)),
        (days(0, 100), 100, 1000, 10, Forecast(100, None)),
        (days(0, 100), 100, None, None, Forecast(100, None)),
        (days(0, 100), 5000, 1000, None, Forecast(100, 0)),
    ],
    ids=[
        "nothing",
        "no complete day",
        "one day",
        "a day without clips counts",
        "a week at most",
        "the limit comes first",
        "age comes first",
        "no limit",
        "over already",
    ],
)
def test_forecast(
    by_day: dict[date, int],
    used: int,
    limit: int | None,
    kept_days: float | None,
    expected: Forecast,
) -> None:
    assert (
        forecast(
            bytes_by_day=by_day,
            today=TODAY,
            used_bytes=used,
            limit_bytes=limit,
            kept_days=kept_days,
        )
        == expected
    )


@pytest.mark.parametrize(
    ("most", "free", "days_left"),
    [(None, None, 0.0), (1000, None, None), (None, 10**9, None)],
    ids=["nothing makes room", "retention.bytes", "retention.free_bytes"],
)
def test_nobody_is_called_where_the_oldest_clips_make_room(
    most: int | None, free: int | None, days_left: float | None
) -> None:
    full = Capacity(used_bytes=1000, limit_bytes=1000, bytes_per_day=90, days_left=0.0)
    policy = RetentionPolicy(overall=RetentionRule(30, most), cameras={}, free_bytes=free)
    assert until_somebody_must_act(full, policy) == days_left
