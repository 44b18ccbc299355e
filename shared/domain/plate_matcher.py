"""Finds the entries of all lists that a plate matches, without looking at the others.

A plate without tolerance is found by its key. One with a tolerance below 1 accepts only look-alike
characters, so it is found by its folded form. One with a tolerance of 1 accepts one edit of the
folded form: it is found by what is left when one character is deleted from both (a deletion
neighbourhood). A wildcard is found by its longest run of characters, which every plate that it
matches holds. What is found is then measured or compared in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from shared.domain.plate_lists import (
    MOST_TOLERANCE,
    ListEntry,
    Match,
    PlateList,
    is_wildcard,
)
from shared.domain.plates import plate_distance, plate_folded, plate_key

MOST_CHANGED = 1000  # more entries than this are indexed with all others
Pace = Callable[[Iterable[ListEntry]], Iterable[ListEntry]]


@dataclass
class _Wildcard:
    """An entry with wildcards. Its pattern is compiled when a plate first may match it."""

    entry: ListEntry

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What stands between two stars is taken at its first place, and tried at no other: so no
        plate makes the comparison slow.
        """
        first, *rest = [_literal(piece) for piece in re.split(r"\*+", plate_key(self.entry.plate))]
        middle = "".join(f"(?>.*?{each})" for each in rest[:-1])
        last = f".*{rest[-1]}" if rest else ""
        return re.compile(first + middle + last)


def _literal(piece: str) -> str:
    return re.escape(piece).replace(r"\?", ".")


def _longest_run(key: str) -> str:
    return max(re.split(r"[*?]+", key), key=len)


@dataclass(frozen=True, slots=True)
class _Index:
    """Entries by what a plate must have to match them."""

    by_key: dict[str, list[ListEntry]] = field(default_factory=dict)
    by_folded: dict[str, list[ListEntry]] = field(default_factory=dict)
    by_rest: dict[str, list[ListEntry]] = field(default_factory=dict)
    by_run: dict[str, list[_Wildcard]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[ListEntry]) -> _Index:
        index = cls()
        for entry in entries:
            index._add(entry)
        return index

    def _add(self, entry: ListEntry) -> None:
        key = plate_key(entry.plate)
        if is_wildcard(key):
            self.by_run.setdefault(_longest_run(key), []).append(_Wildcard(entry))
        elif entry.tolerance >= MOST_TOLERANCE:
            for rest in _rests(plate_folded(key)):
                self.by_rest.setdefault(rest, []).append(entry)
        elif entry.tolerance > 0:
            self.by_folded.setdefault(plate_folded(key), []).append(entry)
        else:
            self.by_key.setdefault(key, []).append(entry)

    def close(self, key: str) -> Iterator[ListEntry]:
        """Yields the entries without wildcards that may accept a plate, each once."""
        folded = plate_folded(key)
        yield from self.by_key.get(key, ())
        yield from self.by_folded.get(folded, ())
        seen = set[UUID]()
        for rest in _rests(folded) if self.by_rest else ():
            for entry in self.by_rest.get(rest, ()):
                if entry.entry_id not in seen:
                    seen.add(entry.entry_id)
                    yield entry

    def wild(self, key: str) -> Iterator[_Wildcard]:
        """Yields the wildcards that may match a plate, each once."""
        for run in _runs(key) if self.by_run else ():
            yield from self.by_run.get(run, ())


def _rests(folded: str) -> set[str]:
    """Returns a plate and what is left of it without one of its characters."""
    return {folded, *(folded[:at] + folded[at + 1 :] for at in range(len(folded)))}


def _runs(key: str) -> set[str]:
    size = len(key)
    return {key[first:last] for first in range(size) for last in range(first + 1, size + 1)}


@dataclass(frozen=True, slots=True)
class Matcher:
    """All lists and entries. It never changes, so that any thread may ask it; `changed` makes the
    next one.

    It is two indexes: of all entries at one time, and of those that changed since.
    """

    lists: Mapping[UUID, PlateList] = field(default_factory=dict)
    entries: Mapping[UUID, ListEntry] = field(default_factory=dict)
    _all: _Index = field(default_factory=_Index)
    _later: _Index = field(default_factory=_Index)
    _later_entries: Mapping[UUID, ListEntry | None] = field(default_factory=dict)

    def changed(
        self,
        lists: Iterable[PlateList],
        entries: Iterable[ListEntry] = (),
        gone: Iterable[UUID] = (),
        pace: Pace = iter,
    ) -> Matcher:
        """Returns a matcher with all lists of now, with entries that are new or other than before,
        and without those that are gone. A few changes cost little, whatever there is already.

        pace: goes through very many entries for it, and may pause between them.
        """
        by_id = {each.list_id: each for each in lists}
        news: dict[UUID, ListEntry | None] = {entry.entry_id: entry for entry in entries}
        news |= dict.fromkeys(gone)
        known = {key: entry for key, entry in self.entries.items() if key not in news}
        known |= {key: entry for key, entry in news.items() if entry is not None}
        later = {**self._later_entries, **news}
        if len(later) > MOST_CHANGED:
            return Matcher(by_id, known, _Index.of(pace(known.values())))
        index = _Index.of(each for each in later.values() if each is not None)
        return Matcher(by_id, known, self._all, index, later)

    def matches(self, plate: str, camera_id: str, at_ms: int) -> tuple[Match, ...]:
        """Returns every entry that counts and accepts the plate, the closest first.

        Of a list that has several such entries it returns each.
        """
        key = plate_key(plate)
        if not key:
            return ()
        found = [
            *self._accepted(self._all, key, self._later_entries),
            *self._accepted(self._later, key, {}),
        ]
        counting = [
            match for match in found if match.entry.counts(match.plate_list, camera_id, at_ms)
        ]
        return tuple(sorted(counting, key=_closest_first))

    def _accepted(
        self, index: _Index, key: str, except_for: Mapping[UUID, ListEntry | None]
    ) -> Iterator[Match]:
        for entry in index.close(key):
            distance = plate_distance(key, entry.plate)
            if distance <= entry.tolerance:
                yield from self._match(entry, distance, except_for)
        for wild in index.wild(key):
            if wild.pattern.fullmatch(key):
                yield from self._match(wild.entry, 0.0, except_for)

    def _match(
        self, entry: ListEntry, distance: float, except_for: Mapping[UUID, ListEntry | None]
    ) -> Iterator[Match]:
        plate_list = self.lists.get(entry.list_id)
        if plate_list is not None and entry.entry_id not in except_for:
            yield Match(plate_list, entry, distance)

    def candidates(self, plate: str) -> int:
        """Returns how many entries a plate is compared with."""
        key = plate_key(plate)
        indexes = (self._all, self._later)
        return sum(
            sum(1 for _ in index.close(key)) + sum(1 for _ in index.wild(key)) for index in indexes
        )


def _closest_first(match: Match) -> tuple[float, str, str, str]:
    return match.distance, match.plate_list.name, match.entry.plate, str(match.entry.entry_id)
