"""What a backup reads of the database, and how one is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.domain.backup import Restored


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUpTable:
    """A table: its columns that hold values of their own, and about how many rows it has."""

    name: str
    columns: tuple[str, ...]
    about_rows: int


class Snapshot(Protocol):
    """Everything in the database as it was at one moment, whatever is written meanwhile."""

    @property
    def schema(self) -> str:
        """The version of the schema."""

    @property
    def deployment(self) -> UUID:
        """The id of the deployment, which its store's sentinel repeats."""

    @property
    def made_ms(self) -> int:
        """The moment, by the database's clock."""

    @property
    def tables(self) -> Sequence[BackedUpTable]:
        """All tables, each after those that it refers to."""

    def rows(self, table: BackedUpTable) -> Iterator[bytes]:
        """Yields a table's rows, a line each, in the text format of COPY, in pieces."""

    def sequences(self) -> Mapping[str, int]:
        """Returns the last number that was given, by `table.column`. Those are not of the moment:
        a number may be later, and is never earlier.
        """


class BackupRows(Protocol):
    """The whole database, to copy it."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Opens a snapshot for the block."""

    def note(self, made_ms: int) -> None:
        """Record that a backup of that moment is stored."""

    def last_ms(self) -> int | None:
        """Returns the moment of the newest backup that was recorded, None before the first."""

    def restored(self) -> Restored | None:
        """Returns from when this database was restored, None where it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTable:
    """A table of a backup, to load it. rows: yields its lines, in pieces."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[bytes]]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is loaded into an empty database. made_ms: when the backup was made."""

    schema: str
    made_ms: int
    tables: Sequence[LoadedTable]
    sequences: Mapping[str, int]
