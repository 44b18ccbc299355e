"""Reads the documentation: its code spans, tables, commands, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: the heading above it, the cells of its first line, and the cells of every other
    line.
    """

    heading: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def names(self) -> list[str]:
        """Code spans of the first column."""
        return [name for row in self.rows for name in code(row[0])]


def name(page: Path) -> str:
    """A page's path below the root of the repository."""
    return str(page.relative_to(ROOT))


@cache
def text(page: Path) -> str:
    """A page as it is."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _BLOCK.sub("", text(page))


def code(prose: str) -> list[str]:
    """Code spans of some prose; a span that goes over two lines is one."""
    return [" ".join(span.split()) for span in _CODE.findall(prose)]


def tables(page: Path) -> Iterator[Table]:
    """Tables of a page, from the first to the last."""
    heading, lines = "", list[list[str]]()
    for line in [*prose(page).splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
            continue
        if lines:
            yield Table(heading=heading, header=lines[0], rows=lines[2:])
        lines = []
        heading = line.lstrip("# ") if line.startswith("#") else heading


def table(page: Path, title: str) -> Table | None:
    """The table of a page whose first column is called `title`."""
    return next((each for each in tables(page) if each.header[0] == title), None)


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """Words of every command line that calls `program`: in code spans, and in lines of blocks of
    code.
    """
    lines = [
        line.split(" #")[0] for block in _BLOCK.findall(text(page)) for line in block.splitlines()
    ]
    for line in [*code(prose(page)), *lines]:
        words = line.removeprefix(".venv/bin/").split()
        if len(words) > 1 and words[0] == program:
            yield words[1:]


def links(page: Path) -> list[str]:
    """Targets of a page's links that lead to no other host."""
    return [target for target in _LINK.findall(prose(page)) if "://" not in target]


def headings(page: Path) -> list[str]:
    """A page's headings, as they stand there."""
    return [heading.strip() for heading in _HEADING.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """What a link to a place of the page can name: its headings, in the form that GitHub gives
    them.
    """
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings(page)]
    return {heading.strip().replace(" ", "-") for heading in plain}


def entries(page: Path) -> dict[str, str]:
    """Words of a glossary with what each one is: lines such as "- **word**: what it is"."""
    return dict(re.findall(r"^- \*\*(.+?)\*\*: (.+)$", text(page), re.MULTILINE))
