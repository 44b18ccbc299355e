"""Which entries of lists a plate matches: the index finds what comparing with every entry finds."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import plate_matcher
from shared.domain.plate_lists import (
    IgnoredReads,
    ListEntry,
    ListKind,
    Match,
    PlateList,
    check_plate,
    ignoring,
    is_wildcard,
)
from shared.domain.plate_matcher import Matcher
from shared.domain.plates import plate_distance, plate_key
from shared.domain.timing import from_ms, to_ms
from shared.domain.weekly_hours import WeeklyHours

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
NOW_MS = to_ms(NOW)
CAMERA = "gate-1"
plates = st.text("A0OB8 X7", min_size=1, max_size=6)
patterns = st.text("A0OB8X7*?", min_size=1, max_size=7)


def plate_list(number: int = 1, kind: ListKind = ListKind.WATCH, **settings: object) -> PlateList:
    given = {
        "list_id": UUID(int=number), "name": f"list-{number}", "kind": kind,
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return PlateList(**{**given, **settings})  # type: ignore[arg-type]


def entry(number: int, plate: str, tolerance: float = 0.0, **more: object) -> ListEntry:
    given = {
        "entry_id": UUID(int=number), "list_id": UUID(int=1), "plate": plate, "tolerance": tolerance
    }  # fmt: skip
    return ListEntry(**{**given, **more})  # type: ignore[arg-type]


def matcher(*entries: ListEntry, lists: tuple[PlateList, ...] = (plate_list(),)) -> Matcher:
    return Matcher().changed(lists, entries)


def found(of: Matcher, plate: str, camera: str = CAMERA, at_ms: int = NOW_MS) -> list[int]:
    return [match.entry.entry_id.int for match in of.matches(plate, camera, at_ms)]


def _valid(plate: str, tolerance: float) -> bool:
    try:
        check_plate(plate, tolerance)
    except ValueError:
        return False
    return True


listed = st.one_of(
    st.tuples(plates, st.sampled_from([0.0, 0.1, 0.25, 0.9, 1.0])),
    st.tuples(patterns, st.just(0.0)),
).filter(lambda given: _valid(*given))


def _accepts(plate: str, of: ListEntry) -> bool:
    if is_wildcard(of.plate):
        return fnmatch.fnmatchcase(plate_key(plate), plate_key(of.plate))
    return plate_distance(plate, of.plate) <= of.tolerance


@given(st.lists(listed, max_size=12), st.lists(listed, max_size=4), st.data())
def test_the_index_finds_what_comparing_with_every_entry_finds(
    first: list[tuple[str, float]], later: list[tuple[str, float]], data: st.DataObject
) -> None:
    """Also after entries were changed, added and taken away."""
    entries = {n: entry(n, *given) for n, given in enumerate(first)}
    of = matcher(*entries.values())
    changes = {data.draw(st.integers(0, 14)): each for each in later}
    gone = data.draw(st.sets(st.sampled_from(range(len(first))))) if first else set()
    news = {n: entry(n, *given) for n, given in changes.items() if n not in gone}
    of = of.changed([plate_list()], news.values(), (UUID(int=n) for n in gone))
    entries = {n: each for n, each in (entries | news).items() if n not in gone}
    plate = data.draw(st.one_of(plates, st.sampled_from([plate for plate, _ in first] or ["A"])))
    assert sorted(found(of, plate)) == sorted(
        n for n, each in entries.items() if plate_key(plate) and _accepts(plate, each)
    )
    assert {each.entry_id.int for each in of.entries.values()} == set(entries)


def test_many_changes_make_one_index_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plate_matcher, "MOST_CHANGED", 3)
    passed: list[ListEntry] = []

    def pace(entries: Iterable[ListEntry]) -> list[ListEntry]:
        passed.extend(entries)
        return passed

    of = matcher(entry(1, "AB1"), entry(2, "AB2"))
    of = of.changed([plate_list()], [entry(3, "AB3"), entry(2, "XY2")], pace=pace)
    assert not passed
    of = of.changed([plate_list()], [entry(4, "AB4")], pace=pace)
    assert len(passed) == 4
    assert [found(of, plate) for plate in ("AB1", "AB2", "XY2", "AB3", "AB4")] == [
        [1], [], [2], [3], [4],
    ]  # fmt: skip


def test_a_plate_is_compared_with_few_of_many() -> None:
    entries = [entry(n, f"AB{n:05}", (0.0, 0.5, 1.0)[n % 3]) for n in range(3000)]
    wild = [entry(3000 + n, f"*{n:03}XY*") for n in range(300)]
    of = matcher(*entries, *wild)
    assert found(of, "AB01000")[0] == 1000
    assert of.candidates("AB01000") < 60
    assert of.candidates("ZZ077XYZ") == 1


@pytest.mark.parametrize(
    ("plate", "wild"), [("A" * 32, "*A" * 15 + "*B"), ("AB" * 16, "?" * 10 + "*BA*AB*B?")]
)
def test_no_wildcard_is_slow(plate: str, wild: str) -> None:
    """Trying every place of every star would take longer than anybody waits."""
    of = matcher(entry(1, wild))
    assert bool(found(of, plate)) == fnmatch.fnmatchcase(plate, wild)


def test_an_entry_counts_for_cameras_at_times() -> None:
    noon, evening = NOW_MS, NOW_MS + 8 * 3_600_000
    of = matcher(
        entry(1, "A1", cameras=["gate-2"]),
        entry(2, "A1", valid_from=from_ms(noon + 1)),
        entry(3, "A1", valid_until=from_ms(noon + 1)),
        entry(4, "A1", hours="mon-fri 12:00-18:00"),
        entry(5, "A1", list_id=UUID(int=2)),
        lists=(plate_list(time_zone="UTC"), plate_list(2, cameras=["gate-2"])),
    )
    assert found(of, "A1") == [3, 4]
    assert found(of, "a 1", at_ms=evening) == [2]
    assert found(of, "A1", camera="gate-2") == [1, 3, 4, 5]
    assert found(of, "-") == []


def test_hours_are_of_the_lists_time_zone() -> None:
    of = matcher(
        entry(1, "A1", hours="daily 21:00-22:00"), lists=(plate_list(time_zone="Asia/Tokyo"),)
    )
    assert found(of, "A1") == [1]
    elsewhere = matcher(
        entry(1, "A1", hours="21:00-22:00"), lists=(plate_list(time_zone="No/Zone"),)
    )
    assert found(elsewhere, "A1", at_ms=NOW_MS + 9 * 3_600_000 + 1) == [1], (
        "a zone nobody knows is UTC"
    )


def test_a_watched_plate_is_not_ignored() -> None:
    ignored = plate_list(1, ListKind.IGNORE, reads=IgnoredReads.DROPPED)
    kept = plate_list(2, ListKind.IGNORE)
    watch, known = plate_list(3), plate_list(4, ListKind.KNOWN)

    def of(*lists: PlateList) -> list[Match]:
        return [Match(each, entry(1, "A1"), 0) for each in lists]

    assert ignoring(of(known, ignored)) is ignored
    assert ignoring(of(ignored, kept)) is kept
    assert ignoring(of(ignored, watch)) is None
    assert ignoring(of(known)) is None
    assert ignoring([]) is None


@pytest.mark.parametrize(
    ("plate", "tolerance", "reason"),
    [
        ("*", 0, "matches every plate"),
        ("**", 0, "matches every plate"),
        ("?*", 0, "matches every plate"),
        ("?-*", 0, "matches every plate"),
        ("A*", 0, "matches too many plates"),
        ("*A?", 0, "needs 2 characters"),
        ("AB*", 0.1, "leave the tolerance out"),
        ("A" * 64, 0, "has 64 characters, a plate has at most 32"),
        (" - ", 0, "no letter or digit"),
    ],
)
def test_what_is_no_plate_of_an_entry_is_refused(plate: str, tolerance: float, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("*", r"\*").replace("?", r"\?")):
        check_plate(plate, tolerance)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("mon-fri 08:00-18:00, sat 10:00-12:00", ["mon 08:00", "fri 17:59", "sat 11:00"],
         ["mon 07:59", "fri 18:00", "sun 11:00"]),
        ("fri 22:00-06:00", ["fri 22:00", "fri 23:59", "sat 05:59"], ["fri 05:00", "sat 06:00"]),
        ("sun 22:00-06:00", ["sun 23:00", "mon 05:59"], ["mon 06:00", "sun 05:00"]),
        ("sat-mon 00:00-24:00", ["sat 00:00", "sun 12:00", "mon 23:59"], ["tue 00:00", "fri 23:59"]),
        ("Daily 9:00-10:00", ["wed 09:30"], ["wed 10:30"]),
        ("09:00-10:00", ["sun 09:30"], ["sun 10:00"]),
    ],
)  # fmt: skip
def test_hours_of_the_week(text: str, inside: list[str], outside: list[str]) -> None:
    hours = WeeklyHours.parse(text)
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    zone = ZoneInfo("Europe/Berlin")

    def holds(moment: str) -> bool:
        day, _, time = moment.partition(" ")
        hour, minute = map(int, time.split(":"))
        at = datetime(2026, 11, 23 + days.index(day), hour, minute, 30, tzinfo=zone)
        return hours.hold(to_ms(at), zone)

    assert [moment for moment in inside if not holds(moment)] == []
    assert [moment for moment in outside if holds(moment)] == []


@pytest.mark.parametrize(
    "text",
    ["", "always", "mon", "mon 8-18", "mon 08:00-25:00", "mon 08:60-09:00", "mon 08:00-08:00",
     "day 08:00-09:00", "mon 24:00-01:00", ", ".join(["mon 08:00-09:00"] * 21)],
)  # fmt: skip
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"understood|no time|stretches"):
        WeeklyHours.parse(text)
