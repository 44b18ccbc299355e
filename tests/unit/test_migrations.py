"""Each version of the schema says whether it expands or contracts, and does no more than that."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from alembic.script import ScriptDirectory

from shared.adapters.postgres.migrate import alembic_config
from shared.adapters.postgres.migrations.statements import Kind

VERSIONS = [each.module for each in ScriptDirectory.from_config(alembic_config()).walk_revisions()][
    ::-1
]
FOLDER = Path(str(VERSIONS[0].__file__)).parent
# What code of before could not go on with, however it is written.
_TAKES_AWAY = re.compile(
    r"\bRENAME\b|\bDROP\s+(TABLE|COLUMN|TYPE|SCHEMA|EXTENSION)\b|\bDROP\s+(?!CONSTRAINT\b|INDEX\b|VIEW\b"
    r"|TRIGGER\b|FUNCTION\b|DEFAULT\b|NOT\b)\w+|\bSET\s+NOT\s+NULL\b|\b(SET\s+DATA\s+)?TYPE\s+\w|\bTRUNCATE\b",
    re.IGNORECASE,
)
_DROPPED = re.compile(r"\bDROP (CONSTRAINT|INDEX|VIEW|TRIGGER|FUNCTION) (\w+)", re.IGNORECASE)
_COLUMN = re.compile(r"\bADD COLUMN (\w+) ([^,;]*)", re.IGNORECASE)
_UNIQUE = re.compile(r"\bCREATE UNIQUE INDEX \w+ ON (\w+)", re.IGNORECASE)


def statements(version: ModuleType) -> str:
    """The SQL of a version, without comments, functions' bodies and texts."""
    files = sorted(FOLDER.glob(f"{version.revision}_*.sql"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    text = re.sub(r"\$\$.*?\$\$", "", re.sub(r"--[^\n]*", "", text), flags=re.DOTALL)
    return re.sub(r"'[^']*'", "''", text)


def takes_away(sql: str) -> list[str]:
    """What a version that expands may not do."""
    found = [each[0] for each in _TAKES_AWAY.finditer(sql)]
    made = re.compile(r"\b(?:ADD CONSTRAINT|CREATE (?:OR REPLACE )?(?:UNIQUE )?\w+) (\w+)")
    for what, name in _DROPPED.findall(sql):
        after = sql[re.search(rf"DROP {what}[^;]*\b{name}\b", sql, re.IGNORECASE).end() :]  # type: ignore[union-attr]
        if name not in made.findall(after):
            found.append(f"DROP {what} {name}")
    new = set(re.findall(r"\bCREATE TABLE (\w+)", sql))
    found += [f"UNIQUE on {table}" for table in _UNIQUE.findall(sql) if table not in new]
    found += [
        f"{column} has no default"
        for column, told in _COLUMN.findall(sql)
        if "NOT NULL" in told and "DEFAULT" not in told and "GENERATED" not in told
    ]
    return found


def test_versions_are_one_chain() -> None:
    numbers = [each.revision for each in VERSIONS]
    assert numbers == sorted(numbers)
    assert [each.down_revision for each in VERSIONS] == [None, *numbers[:-1]]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda each: str(each.revision))
def test_a_version_says_its_kind_and_keeps_to_it(version: ModuleType) -> None:
    assert statements(version), "it runs no SQL file with its number"
    assert version.__doc__
    if version.kind is Kind.CONTRACT:
        assert version.usable_from <= version.down_revision
        return
    assert version.kind is Kind.EXPAND
    assert not hasattr(version, "usable_from"), "only a version that contracts says that"
    assert takes_away(statements(version)) == []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE jobs DROP COLUMN kind;",
        "ALTER TABLE jobs DROP kind;",
        "ALTER TABLE jobs RENAME COLUMN kind TO sort;",
        "DROP TABLE jobs;",
        "ALTER TABLE jobs ALTER COLUMN kind TYPE int;",
        "ALTER TABLE jobs ALTER COLUMN error SET NOT NULL;",
        "ALTER TABLE jobs ADD COLUMN colour text NOT NULL;",
        "DROP VIEW day_totals;",
        "DROP INDEX jobs_regular; CREATE INDEX other ON jobs (kind);",
        "CREATE UNIQUE INDEX once ON jobs (kind);",
        "ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check;",
        "TRUNCATE jobs;",
    ],
)
def test_what_takes_away_is_noticed(sql: str) -> None:
    assert takes_away(sql)
