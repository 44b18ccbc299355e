"""Hours of the week, as people write them: `mon-fri 08:00-18:00, sat 10:00-12:00`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from itertools import chain

from shared.domain.timing import from_ms

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS_A_DAY, MINUTES_AN_HOUR = 24, 60
MINUTES_A_DAY = HOURS_A_DAY * MINUTES_AN_HOUR
MINUTES_A_WEEK = len(DAYS) * MINUTES_A_DAY
MOST_STRETCHES = 20
_DAY = "|".join(DAYS)
_STRETCH = re.compile(
    rf"(?:(?:(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?|daily) +)?"
    r"(?P<from>\d\d?:\d\d)-(?P<to>\d\d?:\d\d)"
)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Stretches of a week, in minutes since Monday 00:00: [start, end) each, end up to a day after
    the week's. `text` is how they were written.
    """

    text: str
    stretches: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> WeeklyHours:
        """Returns the hours that a text names; raises ValueError, which says how to write them.

        A stretch that ends before it starts goes on to the next day. Without days it is for every
        day.
        """
        pieces = [piece.strip().lower() for piece in text.split(",")]
        if len(pieces) > MOST_STRETCHES:
            raise ValueError(f"has {len(pieces)} stretches, at most {MOST_STRETCHES} are read")
        return cls(text, tuple(chain.from_iterable(map(_stretches, pieces))))

    def hold(self, at_ms: int, zone: tzinfo) -> bool:
        """Returns whether a time is in them, by the clocks of a time zone."""
        local = from_ms(at_ms).astimezone(zone)
        minute = local.weekday() * MINUTES_A_DAY + local.hour * MINUTES_AN_HOUR + local.minute
        return any(
            start <= minute < end or start <= minute + MINUTES_A_WEEK < end
            for start, end in self.stretches
        )


def _stretches(piece: str) -> list[tuple[int, int]]:
    found = _STRETCH.fullmatch(piece)
    if found is None:
        raise ValueError(
            f"{piece!r} is not understood: write hours as `mon-fri 08:00-18:00, sat 10:00-12:00`"
        )
    start, end = _minutes(found["from"]), _minutes(found["to"])
    if start in {end, MINUTES_A_DAY}:
        raise ValueError(f"{piece!r} has no time between its start and its end")
    if end < start:
        end += MINUTES_A_DAY
    return [
        (day * MINUTES_A_DAY + start, day * MINUTES_A_DAY + end)
        for day in _days(found["first"], found["last"])
    ]


def _days(first: str | None, last: str | None) -> list[int]:
    """Returns the days from one to another, also over a week's end; all of them without any."""
    if first is None:
        return list(range(len(DAYS)))
    start = DAYS.index(first)
    count = 1 if last is None else (DAYS.index(last) - start) % len(DAYS) + 1
    return [(start + day) % len(DAYS) for day in range(count)]


def _minutes(written: str) -> int:
    hour, minute = (int(each) for each in written.split(":"))
    total = hour * MINUTES_AN_HOUR + minute
    if minute >= MINUTES_AN_HOUR or total > MINUTES_A_DAY:
        raise ValueError(f"{written} is no time of a day (00:00 to 24:00)")
    return total
