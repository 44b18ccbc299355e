"""Entries of a list as CSV: what people keep in spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields

from pydantic import ValidationError

from shared.domain.errors import BadInput
from shared.domain.plate_lists import EntrySettings
from shared.domain.plates import plate_key
from shared.domain.ports import Imported
from shared.wire.api.plate_lists import EntryRequest, ImportReport

COLUMNS = tuple(each.name for each in fields(EntrySettings))
MOST_LINES, MOST_BYTES = 200_000, 32 << 20
WRITTEN_AT_ONCE = 500
SHOWN_PROBLEMS, TOLD_PROBLEMS = 100, 10
# A spreadsheet takes such a text for a formula, unless an apostrophe goes before it.
FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A line that is no entry, and why."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class ReadEntries:
    """The entries of a file, how many lines it has beside its first, and what is wrong."""

    entries: list[EntrySettings] = field(default_factory=list)
    problems: list[LineProblem] = field(default_factory=list)
    lines: int = 0


def entries_of(file: bytes) -> ReadEntries:
    """Returns the entries of a CSV file in UTF-8 with a first line of column names, separated by
    commas or, where the first line has no comma, by semicolons.

    A line that is no entry, or whose plate an earlier line has, is a problem. Raises BadInput for
    what is wrong with the whole file.
    """
    if len(file) > MOST_BYTES:
        raise BadInput("file", f"has {len(file)} bytes, at most {MOST_BYTES} are read")
    text = _decoded(file)
    first = text.partition("\n")[0]
    separator = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = _rows(reader)
    _, header = next(rows, (0, []))
    columns = _columns(header)
    found, seen = ReadEntries(), dict[str, int]()
    lines = 0
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        lines += 1
        if lines > MOST_LINES:
            raise BadInput("file", f"has more than {MOST_LINES} lines; import it in pieces")
        try:
            entry = _entry(columns, cells)
        except ValueError as error:
            found.problems.append(LineProblem(line, str(error)))
            continue
        before = seen.setdefault(plate_key(entry.plate), line)
        if before != line:
            found.problems.append(
                LineProblem(line, f"plate: {entry.plate} is on line {before} too")
            )
        else:
            found.entries.append(entry)
    return ReadEntries(found.entries, found.problems, lines)


def refusal(problems: Sequence[LineProblem]) -> BadInput:
    """Returns the error for a file with such lines: it names the first ten."""
    shown = "; ".join(f"line {each.line}: {each.message}" for each in problems[:TOLD_PROBLEMS])
    left = len(problems) - TOLD_PROBLEMS
    more = f"; and {left} more lines" if left > 0 else ""
    return BadInput("file", f"nothing was imported: {shown}{more}")


def report_of(read: ReadEntries, done: Imported, *, dry_run: bool) -> ImportReport:
    """Returns what an import did, or would do."""
    return ImportReport.model_validate(
        {
            "dry_run": dry_run,
            "lines": read.lines,
            "added": done.added,
            "changed": done.changed,
            "unchanged": done.unchanged,
            "skipped": len(read.problems),
            "problems": read.problems[:SHOWN_PROBLEMS],
            "overlaps": done.overlaps,
        }
    )


def csv_of(entries: Iterable[EntrySettings]) -> Iterator[str]:
    """Yields a file that `entries_of` reads, some hundred lines at once."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for number, entry in enumerate(entries, start=1):
        writer.writerow([_cell(value) for value in _values(entry)])
        if number % WRITTEN_AT_ONCE == 0:
            yield _taken(out)
    yield _taken(out)


def _values(entry: EntrySettings) -> list[object]:
    return [getattr(entry, column) for column in COLUMNS]


def _taken(out: io.StringIO) -> str:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " ".join(value)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _decoded(file: bytes) -> str:
    try:
        return file.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.count(b"\n", 0, error.start) + 1
        raise BadInput("file", f"line {line} is not UTF-8: save the file as CSV UTF-8") from None


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yields rows and the lines on which they begin. Raises BadInput where the file is no CSV."""
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1  # type: ignore[attr-defined]
    except csv.Error as error:
        raise BadInput("file", f"line {line} is not CSV: {error}") from None


def _columns(header: Sequence[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in header]
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        raise BadInput(
            "file",
            f"line 1 has unknown columns: {', '.join(map(repr, unknown[:10]))}; known are {', '.join(COLUMNS)}",
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise BadInput("file", f"line 1 has {', '.join(twice)} twice")
    if "plate" not in columns:
        raise BadInput("file", "line 1 names the columns, and one of them is plate")
    return columns


def _entry(columns: Sequence[str], cells: Sequence[str]) -> EntrySettings:
    """Returns the entry of a line; an empty cell is as if its column were not there. Raises
    ValueError.
    """
    if len(cells) > len(columns):
        raise ValueError(f"has {len(cells)} cells, and there are {len(columns)} columns")
    given: dict[str, object] = {}
    for column, cell in zip(columns, cells, strict=False):
        text = cell.strip()
        if text.startswith("'") and text[1:].startswith(FORMULA):
            text = text[1:]
        if text:
            given[column] = _value(column, text)
    try:
        return settings_of(EntryRequest.model_validate(given))
    except ValidationError as error:
        raise ValueError(reasons_of(error)) from None


def _value(column: str, text: str) -> object:
    """Returns what a cell says, as JSON has it; a number that is none stays a text."""
    if column == "cameras":
        return text.split()
    kind = {"tolerance": float, "priority": int}.get(column, str)
    try:
        return kind(text)
    except ValueError:
        return text


def settings_of(request: EntryRequest) -> EntrySettings:
    """Returns an entry as the domain has it."""
    return EntrySettings(**dict(request))


def reasons_of(error: ValidationError) -> str:
    """Returns what is wrong with a value, by its fields."""
    reasons = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        field_name = ".".join(str(part) for part in each["loc"])
        message = each["msg"].removeprefix("Value error, ")
        reasons.append(f"{field_name}: {message}" if field_name else message)
    return "; ".join(reasons)
