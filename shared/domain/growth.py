"""How fast the store grows, and when it will be full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

LOOKED_AT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes a day (None before a day is complete), and days until the limit (None: never, or not
    known).
    """

    bytes_per_day: float | None
    days_left: float | None


def forecast(
    bytes_by_day: Mapping[date, int],
    today: date,
    used_bytes: int,
    limit_bytes: int | None,
    kept_days: float | None,
) -> Forecast:
    """Returns the growth of the last week's complete days. limit_bytes: what all clips may occupy.

    Where clips are deleted by age before the limit is reached, the limit is never reached.
    """
    complete = min(LOOKED_AT_DAYS, (today - min(bytes_by_day)).days) if bytes_by_day else 0
    if complete < 1:
        return Forecast(None, None)
    week = [bytes_by_day.get(today - timedelta(days=ago), 0) for ago in range(1, complete + 1)]
    per_day = sum(week) / complete
    if (
        limit_bytes is None
        or per_day <= 0
        or (kept_days is not None and per_day * kept_days <= limit_bytes)
    ):
        return Forecast(per_day, None)
    return Forecast(per_day, max(0, limit_bytes - used_bytes) / per_day)
