"""Lists of plates that mean something: known ones, watched ones, and ones to ignore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.domain.plates import plate_key
from shared.domain.timing import to_ms
from shared.domain.weekly_hours import WeeklyHours

MOST_PLATE = 32  # characters, as a detection's plate
FEWEST_LITERALS = 2
ANY_RUN, ANY_ONE = "*", "?"
MOST_TOLERANCE = 1.0


class ListKind(StrEnum):
    """What the plates of a list mean."""

    KNOWN = "known"  # somebody's, with a name
    WATCH = "watch"  # wanted: a pass of it is a hit
    IGNORE = "ignore"  # nuisance: it is not recorded


class IgnoredReads(StrEnum):
    """What becomes of the detections that a list ignores."""

    KEPT = "kept"  # stored with the outcome `ignored`
    DROPPED = "dropped"  # not stored


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettings:
    """What a person says of a list.

    reads: for the kind `ignore`. hit_days: how long its hits are kept; None: as the rest.
    quiet_hours, in time_zone: when its hits alert nobody. cool_down_seconds: after an alert of a
    plate, the next one of it waits so long. cameras: which it is for; None: all.
    """

    name: str
    kind: ListKind
    reads: IgnoredReads = IgnoredReads.KEPT
    hit_days: float | None = None
    quiet_hours: str | None = None
    cool_down_seconds: float = 0.0
    cameras: Sequence[str] | None = None
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateList(ListSettings):
    """A list. `entries`: how many it has, where that was asked for."""

    list_id: UUID
    created_at: datetime
    updated_at: datetime
    entries: int | None = None

    def is_quiet(self, at_ms: int) -> bool:
        """Returns whether a hit of that time alerts nobody."""
        return self.quiet_hours is not None and _hold(self.quiet_hours, self.time_zone, at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySettings:
    """What a person says of a plate, or of a wildcard.

    tolerance: how far a plate may be from it (`plate_distance`). priority: 1 is the most urgent.
    cameras: which it is for; None: those of its list. valid_from, valid_until: from when, and until
    when (exclusive), it counts. hours: the hours of the week in which it counts, in its list's time
    zone.
    """

    plate: str
    tolerance: float = 0.0
    name: str | None = None
    note: str | None = None
    reason: str | None = None
    priority: int | None = None
    instructions: str | None = None
    cameras: Sequence[str] | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    hours: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEntry(EntrySettings):
    """An entry of a list."""

    entry_id: UUID
    list_id: UUID

    def counts(self, plate_list: PlateList, camera_id: str, at_ms: int) -> bool:
        """Returns whether the entry counts for a camera at that time."""
        cameras = (plate_list.cameras, self.cameras)
        if any(each is not None and camera_id not in each for each in cameras):
            return False
        if self.valid_from is not None and at_ms < to_ms(self.valid_from):
            return False
        if self.valid_until is not None and at_ms >= to_ms(self.valid_until):
            return False
        return self.hours is None or _hold(self.hours, plate_list.time_zone, at_ms)


@dataclass(frozen=True, slots=True)
class Match:
    """A plate is on a list: by which entry, and how far it is from it."""

    plate_list: PlateList
    entry: ListEntry
    distance: float


_hours_of = lru_cache(10_000)(WeeklyHours.parse)


@lru_cache(1000)
def _zone_of(name: str) -> tzinfo:
    """Returns a time zone. One that this host does not know is UTC here: whoever stored the list
    knew it, and a detection is worth more than an hour's exactness.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _hold(hours: str, time_zone: str, at_ms: int) -> bool:
    return _hours_of(hours).hold(at_ms, _zone_of(time_zone))


def is_wildcard(plate: str) -> bool:
    """Returns whether an entry's plate stands for many."""
    return ANY_RUN in plate or ANY_ONE in plate


def check_plate(plate: str, tolerance: float) -> None:
    """Raise ValueError for what cannot be a plate of an entry, with the reason."""
    if len(plate) > MOST_PLATE:
        raise ValueError(f"has {len(plate)} characters, a plate has at most {MOST_PLATE}")
    hidden = next((each for each in plate if not each.isprintable()), None)
    if hidden is not None:
        raise ValueError(f"holds U+{ord(hidden):04X}, which no plate has")
    key = plate_key(plate)
    literals = len(key) - key.count(ANY_RUN) - key.count(ANY_ONE)
    if not literals:
        raise ValueError(
            "matches every plate" if is_wildcard(key) else "has no letter or digit",
        )
    if not is_wildcard(key):
        return
    if literals < FEWEST_LITERALS:
        raise ValueError(
            f"matches too many plates: beside * and ? it needs {FEWEST_LITERALS} characters"
        )
    if tolerance:
        raise ValueError("has wildcards, which match as written: leave the tolerance out")


def ignoring(matches: Iterable[Match]) -> PlateList | None:
    """Returns the list by which a plate is ignored, or None.

    A plate that is watched too is not ignored. Of several lists that ignore it, one that keeps
    the reads decides.
    """
    lists = [match.plate_list for match in matches]
    if any(each.kind is ListKind.WATCH for each in lists):
        return None
    ignored = [each for each in lists if each.kind is ListKind.IGNORE]
    kept = [each for each in ignored if each.reads is IgnoredReads.KEPT]
    return next(iter(kept or ignored), None)
