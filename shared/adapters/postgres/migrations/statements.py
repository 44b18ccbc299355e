"""What the modules of versions are made of: SQL files, and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from alembic import op


class Kind(StrEnum):
    """What a version does to a schema."""

    EXPAND = "expand"  # adds; code of older versions goes on
    CONTRACT = "contract"  # takes away; code before its `usable_from` cannot go on


class Wait(StrEnum):
    """Who waits for a table while a version runs."""

    ALL = "all"  # whoever reads or writes it
    WRITERS = "writers"  # whoever writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """What a version does to a table that was there before it. reads: how often it reads all rows;
    rewrites: whether it writes all of them anew.
    """

    table: str
    wait: Wait
    reads: int = 0
    rewrites: bool = False


def run_sql(name: str) -> None:
    """Run the SQL file as it is: by the driver's own cursor, which leaves a percent sign alone."""
    statements = Path(__file__).with_name("versions").joinpath(name).read_text(encoding="utf-8")
    cursor = op.get_bind().connection.cursor()
    try:
        cursor.execute(statements)
    finally:
        cursor.close()
