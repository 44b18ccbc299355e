"""Times that a request gives."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from shared.domain.timing import to_ms

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _written(value: object) -> object:
    """A number is no time here, whatever else would be read into it."""
    if isinstance(value, str) and not _RFC3339.fullmatch(value):
        raise ValueError("write a time as 2026-11-25T18:00:00Z: with seconds, and ending with Z or an offset")
    if not isinstance(value, str | datetime):
        raise ValueError("not a time")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _placed(value: datetime) -> datetime:
    """The time in UTC. One that its zone pushes out of the years 1 to 9999 is their beginning, or their end."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return EARLIEST if value.year == EARLIEST.year else LATEST


def _day(value: object) -> object:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("write a day as 2026-11-25")
    return value


Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(_placed)]


def ms_of(value: datetime | None) -> int | None:
    """Milliseconds since 1970."""
    return None if value is None else to_ms(value)
