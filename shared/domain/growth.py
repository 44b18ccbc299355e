"""How fast the store grows, and when it will be full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from shared.domain.retention import RetentionPolicy, capped
from shared.domain.statistics import Totals

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much room all clips have, and how long it lasts. limited_by None: no limit is known."""

    used_bytes: int
    limited_by: Literal["retention_bytes", "disk"] | None = None
    limit_bytes: int | None = None
    bytes_per_day: float | None = None
    days_left: float | None = None

    @property
    def free_bytes(self) -> int | None:
        """Returns the room that is left; None where no limit is known."""
        return None if self.limit_bytes is None else max(0, self.limit_bytes - self.used_bytes)


def until_somebody_must_act(found: Capacity, policy: RetentionPolicy) -> float | None:
    """Returns in how many days the room is used up with nothing that makes room; None: never, or
    not known. At retention.bytes or retention.free_bytes the oldest clips go, so a store that is as
    full as it may be is as it should be.
    """
    makes_room = policy.overall.max_bytes is not None or policy.free_bytes is not None
    return None if makes_room else found.days_left


def capacity(
    found: Totals, policy: RetentionPolicy, disk_free_bytes: int | None, today: date
) -> Capacity:
    """Returns the room by `retention.bytes`, else by what is free on the store's disk."""
    used, limit = found.bytes, policy.overall.max_bytes
    limited_by: Literal["retention_bytes", "disk"] | None = None
    if limit is not None:
        limited_by = "retention_bytes"
    elif disk_free_bytes is not None:
        limited_by, limit = "disk", used + max(0, disk_free_bytes - (policy.free_bytes or 0))
    expected = forecast(
        bytes_by_day={day.day: day.bytes for day in found.days},
        today=today,
        used_bytes=used,
        limit_bytes=limit,
        kept_days=capped(policy.overall.days, policy.max_days),
    )
    return Capacity(
        used_bytes=used,
        limited_by=limited_by,
        limit_bytes=limit,
        bytes_per_day=expected.bytes_per_day,
        days_left=expected.days_left,
    )
