"""Times in requests."""

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
    """Refuses numbers: other readers would take them for many things."""
    if isinstance(value, str) and not _RFC3339.fullmatch(value):
        raise ValueError(
            "write a time as 2026-11-25T18:00:00Z: with seconds, and ending with Z or an offset"
        )
    if not isinstance(value, str | datetime):
        raise ValueError("not a time")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _placed(value: datetime) -> datetime:
    """Returns the time in UTC.

    A time that its zone moves out of the years 1 to 9999 becomes the first or the last one.
    """
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
    """Returns milliseconds since 1970."""
    return None if value is None else to_ms(value)
