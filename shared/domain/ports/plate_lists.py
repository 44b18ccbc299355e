"""Lists of plates: people change them, and dispatchers follow the changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from shared.domain.plate_lists import EntrySettings, ListEntry, ListSettings, PlateList


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """A page of a list's entries, by plate. total counts all that match."""

    items: Sequence[ListEntry]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Another list that holds some of the plates: how many, and the first of them."""

    name: str
    kind: str
    entries: int
    plates: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did, or would do."""

    added: int
    changed: int
    unchanged: int
    overlaps: Sequence[Overlap] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPass:
    """A recent pass, and how far its nearest read is from an entry."""

    pass_id: UUID
    camera_id: str
    first_at: datetime
    plate: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Recent passes that an entry would have matched; total counts all."""

    items: Sequence[SeenPass] = field(default_factory=list)
    total: int = 0


class PlateListRows(Protocol):
    """Lists and their entries, as people change them. Each change is a line of the access log.

    A list is named by its name; NotFound where there is none.
    """

    def create(self, settings: ListSettings, who: str) -> PlateList:
        """Make a list. Raises Conflict when the name is taken."""

    def all(self) -> list[PlateList]:
        """Returns all lists, by name, with the number of their entries."""

    def get(self, name: str) -> PlateList:
        """Returns a list with the number of its entries."""

    def change(self, name: str, changes: Mapping[str, Any], who: str) -> PlateList:
        """Change settings of a list, by their names."""

    def delete(self, name: str, who: str) -> None:
        """Delete a list and its entries."""

    def entries(self, name: str, limit: int, cursor: str | None, plate: str | None) -> EntryPage:
        """Returns a page of a list; plate: only such ones, with * and ?. Raises BadInput."""

    def every_entry(self, name: str, who: str) -> Iterator[ListEntry]:
        """Yields all entries by plate, in several statements."""

    def add(self, name: str, entry: EntrySettings, who: str) -> ListEntry:
        """Add an entry. Raises Conflict when the list has the plate already."""

    def change_entry(
        self, name: str, entry_id: UUID, changes: Mapping[str, Any], who: str
    ) -> ListEntry:
        """Change an entry's settings, by their names; the plate stays."""

    def remove(self, name: str, entry_id: UUID, who: str) -> None:
        """Delete an entry."""

    def entry_of(self, name: str, plate: str) -> ListEntry:
        """Returns the entry of a plate, as it is written in the list."""

    def load(
        self, name: str, entries: Sequence[EntrySettings], who: str, *, dry_run: bool
    ) -> Imported:
        """Add what the list lacks and change what it has otherwise, all or nothing; dry_run: only
        say what that would do.
        """

    def holding(self, plate: str) -> list[Overlap]:
        """Returns the lists with entries that accept a plate, by name."""

    def seen(self, plate: str, tolerance: float, since: datetime, limit: int) -> Seen:
        """Returns recent passes of which a read would match an entry, newest first."""


class PlateListChanges(Protocol):
    """The lists as dispatchers follow them: whoever has read up to a revision reads what came
    after it.
    """

    def now(self) -> tuple[int, int]:
        """Returns the revision and how many entries there are."""

    def lists(self) -> list[PlateList]:
        """Returns all lists."""

    def changed(self, after: tuple[int, UUID], limit: int) -> list[tuple[int, ListEntry]]:
        """Returns entries that changed after a revision and an entry's id of it, in that order."""

    def removed(self, after: int, limit: int) -> list[UUID]:
        """Returns ids of entries that were deleted after a revision, at most so many and only such
        as were deleted lately.
        """

    def entry_ids(self, after: UUID, limit: int) -> list[UUID]:
        """Returns the ids of all entries after one, in order."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for a change. Returns whether there may have been one."""
