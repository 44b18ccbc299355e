"""Lists of plates as CSV: what is written is read, and what is wrong is said with its line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.accepted_plates import MOST_EXAMPLES, accepted_plates
from shared.domain.errors import BadInput
from shared.domain.plate_lists import EntrySettings, check_plate
from shared.domain.plates import plate_distance, plate_key
from shared.wire.plate_list_csv import COLUMNS, csv_of, entries_of, refusal

words = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=12
).filter(lambda text: not text.startswith("'"))
moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - the next line gives the zone
    lambda moment: moment.replace(tzinfo=UTC)
)
entries = st.builds(
    EntrySettings,
    plate=st.from_regex(r"[A-Z0-9]{2,10}", fullmatch=True),
    tolerance=st.sampled_from([0.0, 0.1, 1.0]),
    name=st.none() | words,
    note=st.none() | words,
    reason=st.none() | words,
    priority=st.none() | st.integers(1, 5),
    instructions=st.none() | words,
    cameras=st.none() | st.lists(st.sampled_from(["gate-1", "gate-2"]), min_size=1, max_size=2),
    valid_from=st.none() | moments,
    hours=st.none() | st.just("mon-fri 08:00-18:00, sat 10:00-12:00"),
)


@given(st.lists(entries, max_size=5, unique_by=lambda entry: entry.plate))
def test_what_is_written_is_read(given: list[EntrySettings]) -> None:
    found = entries_of("".join(csv_of(given)).encode())
    assert (found.entries, found.problems, found.lines) == (given, [], len(given))


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"plate\n{text}".encode()))
def test_anything_else_is_refused_by_name(file: bytes) -> None:
    try:
        found = entries_of(file)
    except BadInput as error:
        assert error.field == "file"
    else:
        assert all(each.line > 1 and each.message for each in found.problems)


def test_every_line_that_is_wrong_is_named() -> None:
    lines = {
        2: "ab-12 cd,0.2,,gate-1 gate-2",
        3: "*,,,",
        4: "AB12CD,,,",
        5: "",
        6: 'XY1,,"a note\nof two lines",',
        8: "A" * 64 + ",,,",
        9: "XY2,two,,",
        10: "XY3,,,,,",
        11: "XY4,,,not/a/camera",
        12: "XY5,,\x00,",
        13: "XY6,1.5,,",
    }
    file = "\ufeffplate,Tolerance , note,cameras\r\n" + "\r\n".join(lines.values())
    found = entries_of(file.encode())
    assert [(each.plate, each.tolerance, each.note, each.cameras) for each in found.entries] == [
        ("ab-12 cd", 0.2, None, ["gate-1", "gate-2"]),
        ("XY1", 0.0, "a note\nof two lines", None),
    ]
    assert found.lines == len(lines) - 1
    said = {each.line: each.message for each in found.problems}
    for line, reason in {
        3: "matches every plate", 4: "AB12CD is on line 2 too", 8: "64 characters",
        9: "tolerance: .*number", 10: "6 cells, and there are 4 columns", 11: "cameras", 12: "note: .*NUL",
        13: "tolerance",
    }.items():  # fmt: skip
        assert re.search(reason, said.pop(line)), (line, found.problems)
    assert not said
    assert "line 3: plate: matches every plate" in refusal(found.problems).reason


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "one of them is plate"),
        (b"name,note\nx,y\n", "one of them is plate"),
        (b"plate,color,region\nA1,,\n", "unknown columns: 'color', 'region'; known are plate"),
        (b"plate,plate\n", "plate twice"),
        (b"plate\nAB1\n\xff\n", "line 3 is not UTF-8"),
        (b'plate\nAB1\n"AB2\n', "line 3 is not CSV"),
    ],
)
def test_a_file_that_is_none_is_refused(file: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        entries_of(file)


def test_semicolons_and_formulas() -> None:
    found = entries_of(b"plate;name;valid_from\nAB1;'=1+1;1969-12-31T23:59:59Z\nAB2;'=1+1;\n")
    assert [each.name for each in found.entries] == ["=1+1"]
    assert [each.message for each in found.problems] == ["valid_from: lies before 1970"]
    assert "'=1+1" in "".join(csv_of(found.entries))
    assert "".join(csv_of([])).strip() == ",".join(COLUMNS)


@given(st.text("A0OB8X7-*?", min_size=1, max_size=8), st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_examples_are_accepted(plate: str, tolerance: float) -> None:
    try:
        check_plate(plate, tolerance)
    except ValueError:
        return
    found = accepted_plates(plate, tolerance)
    assert found[0].plate == plate_key(plate)
    assert len({each.plate for each in found}) == len(found) or tolerance == 1.0
    assert len(found) <= MOST_EXAMPLES
    for each in found:
        assert each.distance <= tolerance
        if "?" not in each.plate:
            assert "*" in each.plate or plate_distance(each.plate, plate) == each.distance
            differing = [
                n for n, (a, b) in enumerate(zip(each.plate, plate_key(plate), strict=False)) if a != b
            ]  # fmt: skip
            assert (
                len(each.plate) != len(plate_key(plate))
                or "*" in each.plate
                or list(each.differs) == differing
            )
