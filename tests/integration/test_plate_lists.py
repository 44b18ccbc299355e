"""Lists of plates in the database: changes, imports, previews, and how dispatchers follow them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread
from uuid import UUID

import pytest

from services.dispatch import known_plates
from services.dispatch.known_plates import KnownPlates
from shared.adapters.postgres.plate_list_changes import PostgresPlateListChanges
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.domain.errors import BadInput, Conflict, NotFound
from shared.domain.found_passes import Review
from shared.domain.plate_lists import EntrySettings, IgnoredReads, ListKind, ListSettings
from shared.domain.timing import from_ms
from tests.support.waiting import wait_until
from tests.support.world import POLICY, World

ME = "cli:me"


@pytest.fixture
def rows(world: World) -> PostgresPlateListRows:
    found = PostgresPlateListRows(world.database)
    found.create(ListSettings(name="staff", kind=ListKind.KNOWN), ME)
    return found


def _plates(rows: PostgresPlateListRows, name: str = "staff") -> list[str]:
    return [each.plate for each in rows.entries(name, 1000, None, None).items]


def test_a_list_is_made_changed_and_deleted(world: World, rows: PostgresPlateListRows) -> None:
    made = rows.create(
        ListSettings(name="flies", kind=ListKind.IGNORE, cameras=["cam1"], quiet_hours="22:00-06:00"), ME
    )  # fmt: skip
    assert (made.reads, made.cameras, made.entries) == (IgnoredReads.KEPT, ["cam1"], 0)
    changed = rows.change(
        "flies", {"reads": "dropped", "cameras": None, "hit_days": 3, "kind": "watch"}, ME
    )
    assert (changed.reads, changed.cameras, changed.hit_days) == (IgnoredReads.DROPPED, None, 3)
    assert changed.kind is ListKind.IGNORE, "a list's kind stays"
    assert changed.quiet_hours == "22:00-06:00"
    assert [each.name for each in rows.all()] == ["flies", "staff"]
    with pytest.raises(Conflict, match="staff"):
        rows.create(ListSettings(name="staff", kind=ListKind.WATCH), ME)
    rows.add("flies", EntrySettings(plate="A1"), ME)
    rows.delete("flies", ME)
    assert world.database.fetch("SELECT FROM plate_list_entries") == []
    for call in (
        lambda: rows.get("flies"),
        lambda: rows.delete("flies", ME),
        lambda: rows.change("flies", {}, ME),
        lambda: rows.add("flies", EntrySettings(plate="A1"), ME),
        lambda: rows.entries("flies", 1, None, None),
        lambda: rows.every_entry("flies", ME),
    ):
        with pytest.raises(NotFound, match="flies"):
            call()
    log = world.database.fetch("SELECT who, action, details FROM access_log ORDER BY id")
    assert [(each["who"], each["action"]) for each in log] == [
        (ME, "list.create"), (ME, "list.create"), (ME, "list.change"), (ME, "entry.add"), (ME, "list.delete"),
    ]  # fmt: skip
    assert log[2]["details"] == {"list": "flies", "reads": "dropped", "hit_days": 3}
    assert log[3]["details"] == {"list": "flies", "plate": "A1"}


def test_entries_are_added_changed_and_taken_away(rows: PostgresPlateListRows) -> None:
    added = rows.add("staff", EntrySettings(plate="ab-12 cd", name="Ann", priority=2), ME)
    assert rows.entry_of("staff", "AB12CD") == added
    with pytest.raises(Conflict, match="on the list staff already"):
        rows.add("staff", EntrySettings(plate="AB12CD"), ME)
    changed = rows.change_entry("staff", added.entry_id, {"name": "Bob", "plate": "XX"}, ME)
    assert (changed.plate, changed.name, changed.priority) == ("ab-12 cd", "Bob", 2)
    rows.create(ListSettings(name="other", kind=ListKind.WATCH), ME)
    for call in (
        lambda: rows.change_entry("other", added.entry_id, {}, ME),
        lambda: rows.remove("other", added.entry_id, ME),
        lambda: rows.remove("staff", UUID(int=1), ME),
        lambda: rows.entry_of("staff", "AB1"),
    ):
        with pytest.raises(NotFound):
            call()
    rows.remove("staff", added.entry_id, ME)
    assert _plates(rows) == []


def test_a_list_is_read_in_pages(rows: PostgresPlateListRows) -> None:
    plates = [f"AB{number:03}" for number in range(25)]
    rows.load(
        "staff", [EntrySettings(plate=plate) for plate in reversed(plates)], ME, dry_run=False
    )
    seen, cursor = [], None
    while True:
        page = rows.entries("staff", 10, cursor, None)
        assert page.total == 25
        seen += [each.plate for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == plates
    assert [each.plate for each in rows.every_entry("staff", ME)] == plates
    found = rows.entries("staff", 10, None, "ab?1*")
    assert ([each.plate for each in found.items], found.total) == (plates[10:20], 10)
    assert rows.entries("staff", 10, None, "a_0*").total == 0
    with pytest.raises(BadInput) as error:
        rows.entries("staff", 10, "ä", None)
    assert error.value.field == "cursor"


def test_an_import_adds_and_changes_and_says_what_overlaps(
    world: World, rows: PostgresPlateListRows
) -> None:
    rows.add("staff", EntrySettings(plate="AB1", cameras=["cam1"]), ME)
    rows.add("staff", EntrySettings(plate="AB2", name="old"), ME)
    rows.create(ListSettings(name="wanted", kind=ListKind.WATCH), ME)
    rows.add("wanted", EntrySettings(plate="a-b 3"), ME)
    file = [
        EntrySettings(plate="AB1", cameras=("cam1",)),
        EntrySettings(plate="AB2", name="new"),
        EntrySettings(plate="AB3", tolerance=0.2, valid_from=from_ms(world.base_ms)),
    ]
    before = world.database.fetch("SELECT * FROM plate_list_entries ORDER BY plate_key")
    tried = rows.load("staff", file, ME, dry_run=True)
    assert (tried.added, tried.changed, tried.unchanged) == (1, 1, 1)
    assert [(each.name, each.entries, each.plates) for each in tried.overlaps] == [
        ("wanted", 1, ["AB3"])
    ]
    assert world.database.fetch("SELECT * FROM plate_list_entries ORDER BY plate_key") == before
    assert rows.load("staff", file, ME, dry_run=False) == tried
    again = rows.load("staff", file, ME, dry_run=False)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 3)
    assert [
        (each.plate, each.name, each.tolerance)
        for each in rows.entries("staff", 9, None, None).items
    ] == [("AB1", None, 0), ("AB2", "new", 0), ("AB3", None, 0.2)]


def see(world: World, at_s: float, plate: str, confidence: float = 0.9) -> UUID:
    """A read. Returns its pass."""
    name = f"d{at_s}"
    detection = replace(world.detection("cam1", at_s, name, confidence), plate=plate)
    world.detections.accept([detection], 0, POLICY)
    (found,) = world.passes.detections_with_id(name)
    assert found.pass_id is not None
    return found.pass_id


def test_what_an_entry_would_have_matched(world: World, rows: PostgresPlateListRows) -> None:
    passes = {
        plate: see(world, at_s * 20, plate)
        for at_s, plate in enumerate(["AB12CD", "A812CD", "AX12CD", "ZZ99ZZ"])
    }
    assert see(world, 1, "A812CD", 0.3) == passes["AB12CD"], "misread once"
    world.passes.review(passes["ZZ99ZZ"], Review.CORRECTED, "AB12CO", None, ME)
    since = from_ms(world.base_ms) - timedelta(hours=1)

    def seen(plate: str, tolerance: float) -> dict[UUID, float]:
        found = rows.seen(plate, tolerance, since, 10)
        assert found.total == len(found.items)
        return {each.pass_id: each.distance for each in found.items}

    assert seen("ab-12cd", 0) == {passes["AB12CD"]: 0}
    assert seen("AB12CD", 0.1) == {passes["AB12CD"]: 0, passes["A812CD"]: 0.1}
    assert seen("AB12CD", 1) == {passes["AB12CD"]: 0, passes["A812CD"]: 0.1, passes["AX12CD"]: 1}
    assert seen("A812CD", 0) == {passes["AB12CD"]: 0, passes["A812CD"]: 0}
    assert seen("?Z9*", 0) == {passes["ZZ99ZZ"]: 0}
    assert seen("AB12CO", 0) == {}, "a person wrote it, and nobody read it"
    assert len(rows.seen("*12*", 0, since, 1).items) == 1
    assert rows.seen("*12*", 0, since, 1).total == 3
    assert rows.seen("AB12CD", 0, from_ms(world.base_ms + 100_000), 9).total == 0


def test_the_lists_that_accept_a_plate(rows: PostgresPlateListRows) -> None:
    entries = {
        "exact": EntrySettings(plate="AB-12"), "alike": EntrySettings(plate="A812", tolerance=0.1),
        "near": EntrySettings(plate="AX12", tolerance=1), "wild": EntrySettings(plate="?b1*"),
        "far": EntrySettings(plate="A812"), "odd": EntrySettings(plate="A%_*"),
    }  # fmt: skip
    for name, entry in entries.items():
        rows.create(ListSettings(name=name, kind=ListKind.WATCH), ME)
        rows.add(name, entry, ME)
    assert [each.name for each in rows.holding("ab12")] == ["alike", "exact", "near", "wild"]
    assert [each.name for each in rows.holding("?B1*")] == ["wild"]
    assert [each.plates for each in rows.holding("A%_9")] == [["A%_*"]]


@contextmanager
def following(world: World) -> Iterator[KnownPlates]:
    """The lists of a dispatcher, with the loop that follows them."""
    changes = PostgresPlateListChanges(world.database)
    known, stopping = KnownPlates(changes, world.clock), Event()
    known.load()

    def follow() -> None:
        while not stopping.is_set():
            known.follow(0.2)

    thread = Thread(target=follow)
    thread.start()
    try:
        yield known
    finally:
        stopping.set()
        thread.join()
        changes.close()


def _on(known: KnownPlates, world: World, plate: str) -> list[str]:
    return [each.plate_list.name for each in known.matcher.matches(plate, "cam1", world.base_ms)]


def test_every_dispatcher_follows_a_change(world: World, rows: PostgresPlateListRows) -> None:
    """By a notification: looking by themselves takes them half a minute."""

    def soon(probe: Callable[[], bool]) -> None:
        wait_until("both dispatchers to follow", probe, known_plates.LOOK_SECONDS / 2)

    rows.load("staff", [EntrySettings(plate=f"AB{n}") for n in range(50)], ME, dry_run=False)
    with following(world) as one, following(world) as two:
        both = (one, two)
        assert all(_on(each, world, "AB7") == ["staff"] for each in both)
        entry = rows.add("staff", EntrySettings(plate="XY1"), ME)
        soon(lambda: all(_on(each, world, "XY1") == ["staff"] for each in both))
        rows.change_entry("staff", entry.entry_id, {"cameras": ["cam2"]}, ME)
        soon(lambda: all(_on(each, world, "XY1") == [] for each in both))
        rows.remove("staff", rows.entry_of("staff", "AB7").entry_id, ME)
        soon(lambda: all(_on(each, world, "AB7") == [] for each in both))
        rows.change("staff", {"cameras": ["cam2"]}, ME)
        soon(lambda: all(_on(each, world, "AB8") == [] for each in both))
        rows.create(ListSettings(name="wanted", kind=ListKind.WATCH), ME)
        rows.load("wanted", [EntrySettings(plate="AB*")], ME, dry_run=False)
        soon(lambda: all(_on(each, world, "AB8") == ["wanted"] for each in both))
        rows.delete("wanted", ME)
        soon(lambda: all(_on(each, world, "AB8") == [] for each in both))
        assert all(len(each.matcher.entries) == 50 for each in both)


def test_a_change_is_read_alone_and_a_reading_in_pieces_is_whole(
    world: World, rows: PostgresPlateListRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_plates, "READ_AT_ONCE", 3)
    plates = [f"AB{n}" for n in range(40)]
    rows.load("staff", [EntrySettings(plate=plate) for plate in plates], ME, dry_run=False)
    known = KnownPlates(PostgresPlateListChanges(world.database), world.clock)
    known.load()
    assert all(_on(known, world, plate) == ["staff"] for plate in plates)
    before = dict(known.matcher.entries)
    rows.load("staff", [EntrySettings(plate=plate) for plate in plates[1:]], ME, dry_run=False)
    rows.remove("staff", rows.entry_of("staff", "AB3").entry_id, ME)
    rows.add("staff", EntrySettings(plate="XY1"), ME)
    known.load()
    after = known.matcher.entries
    assert {each.plate for each in after.values()} == {*plates, "XY1"} - {"AB3"}
    assert all(after[key] is entry for key, entry in before.items() if entry.plate != "AB3")
    rows.remove("staff", rows.entry_of("staff", "AB4").entry_id, ME)
    world.database.execute("DELETE FROM plate_list_removals")  # as an hour later
    known.load()
    assert _on(known, world, "AB4") == []
    world.database.execute("UPDATE plate_list_revision SET revision = 1")
    world.database.execute("DELETE FROM plate_list_entries WHERE plate <> 'AB1'")
    known.load()
    assert [each.plate for each in known.matcher.entries.values()] == ["AB1"], "an older database"
