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
from shared.wire.api.plate_lists import EntryRequest

COLUMNS = tuple(each.name for each in fields(EntrySettings))
MOST_LINES, MOST_BYTES = 200_000, 32 << 20
# A spreadsheet takes such a text for a formula, unless an apostrophe goes before it.
_FORMULA = ("=", "+", "-", "@")


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
    shown = "; ".join(f"line {each.line}: {each.message}" for each in problems[:10])
    more = f"; and {len(problems) - 10} more" if len(problems) > 10 else ""  # noqa: PLR2004 - the same
    return BadInput("file", f"nothing was imported: {shown}{more}")


def csv_of(entries: Iterable[EntrySettings]) -> Iterator[str]:
    """Yields the lines of a file that `entries_of` reads."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for entry in entries:
        yield _taken(out)
        writer.writerow([_cell(value) for value in _values(entry)])
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
    return f"'{text}" if text.startswith(_FORMULA) else text


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
        if text.startswith("'") and text[1:].startswith(_FORMULA):
            text = text[1:]
        if text:
            given[column] = text.split() if column == "cameras" else text
    try:
        return settings_of(EntryRequest.model_validate(given))
    except ValidationError as error:
        raise ValueError(_reasons(error)) from None


def settings_of(request: EntryRequest) -> EntrySettings:
    """Returns an entry as the domain has it."""
    return EntrySettings(**dict(request))


def _reasons(error: ValidationError) -> str:
    reasons = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        field_name = ".".join(str(part) for part in each["loc"])
        message = each["msg"].removeprefix("Value error, ")
        reasons.append(f"{field_name}: {message}" if field_name else message)
    return "; ".join(reasons)
