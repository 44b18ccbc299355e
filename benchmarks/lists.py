"""Lists: what matching a detection costs with 100,000 entries, of which 10,000 are tolerant and
1,000 wildcards, against comparing with each; importing as many; and how soon two dispatchers know
of a change.
"""

from __future__ import annotations

import random
import string
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from statistics import fmean, median, quantiles
from time import perf_counter
from uuid import UUID

from structlog.testing import capture_logs

from benchmarks.harness import Row, compare, report
from benchmarks.site import site, wait_for
from services.dispatch.known_plates import KnownPlates
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.plate_list_changes import PostgresPlateListChanges
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.domain.plate_lists import (
    EntrySettings,
    ListEntry,
    ListKind,
    ListSettings,
    PlateList,
    is_wildcard,
)
from shared.domain.plate_matcher import Matcher
from shared.domain.plates import plate_distance
from shared.wire.plate_list_csv import csv_of, entries_of

ENTRIES, DETECTIONS, COMPARED, CHANGES = 100_000, 20_000, 3, 50
TOLERANT, WILD = 10, 100  # one of so many
CONFIG = 'cameras: {gate: {source: "push:", detect: false}}\n'
WHO, NAME, DISPATCHERS = "benchmark", "bench", 2
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def run(*, quick: bool) -> list[Row]:
    """Milliseconds a match and a change, seconds an import."""
    entries, detections, changes = (2000, 200, 3) if quick else (ENTRIES, DETECTIONS, CHANGES)
    settings = _entries(entries)
    rows = _matching(settings, detections)
    with site(CONFIG) as place:
        database = Database(place.addresses.database, max_size=2 + DISPATCHERS)
        database.open()
        try:
            rows += _importing(PostgresPlateListRows(database), settings)
            rows += _following(database, changes)
        finally:
            database.close()
    return rows


def _plate(chance: random.Random) -> str:
    return "".join(
        chance.choice(kind) for kind in (LETTERS,) * 2 + (string.digits,) * 3 + (LETTERS,) * 2
    )


def _entries(count: int) -> list[EntrySettings]:
    """Made-up plates, each once: the same ones in every run."""
    chance, made = random.Random(1), dict[str, EntrySettings]()  # noqa: S311 - made up
    while len(made) < count:
        number, plate = len(made), _plate(chance)
        if number % WILD == 0:
            plate = (f"{plate[:5]}*", f"*{plate[2:]}", f"{plate[:2]}?{plate[3:]}")[
                number // WILD % 3
            ]
            made.setdefault(plate, EntrySettings(plate=plate))
        elif number % TOLERANT == 1:
            made.setdefault(
                plate, EntrySettings(plate=plate, tolerance=(0.1, 1.0)[number // 10 % 2])
            )
        else:
            made.setdefault(plate, EntrySettings(plate=plate))
    return list(made.values())


def _matching(settings: Sequence[EntrySettings], detections: int) -> list[Row]:
    """Every second plate is listed."""
    now = datetime(2026, 11, 27, tzinfo=UTC)
    plate_list = PlateList(
        list_id=UUID(int=1), name=NAME, kind=ListKind.WATCH, created_at=now, updated_at=now
    )
    entries = [
        ListEntry(entry_id=UUID(int=number), list_id=UUID(int=1), plate=each.plate, tolerance=each.tolerance)
        for number, each in enumerate(settings)
    ]  # fmt: skip
    matcher = Matcher().changed([plate_list], entries)
    chance = random.Random(2)  # noqa: S311 - the same
    plates = [
        chance.choice(settings).plate if number % 2 else _plate(chance)
        for number in range(detections)
    ]
    taken = []
    for plate in plates:
        began = perf_counter()
        matcher.matches(plate, "gate", 0)
        taken.append((perf_counter() - began) * 1000)
    began = perf_counter()
    for plate in plates[:COMPARED]:
        found = {each.entry_id for each in entries if _accepts(each, plate)}
        if found != {each.entry.entry_id for each in matcher.matches(plate, "gate", 0)}:
            raise RuntimeError(f"the index finds other entries of {plate} than comparing does")
    each_ms = (perf_counter() - began) * 1000 / COMPARED
    case = f"{len(entries):,} entries"
    return [
        compare(case=case, metric="match ms", ours=fmean(taken), peer=each_ms, target="<= 0.01"),
        report(case, "match p50 ms", median(taken), "<= 1"),
        report(case, "match p99 ms", quantiles(taken, n=100)[-1], "<= 1"),
    ]


def _accepts(entry: ListEntry, plate: str) -> bool:
    if is_wildcard(entry.plate):
        return fnmatchcase(plate, entry.plate)
    return plate_distance(plate, entry.plate) <= entry.tolerance


def _importing(rows: PostgresPlateListRows, settings: Sequence[EntrySettings]) -> list[Row]:
    """From the file's bytes to the commit; then the same file again, which changes nothing."""
    rows.create(ListSettings(name=NAME, kind=ListKind.WATCH), WHO)
    file = "".join(csv_of(settings)).encode()
    taken = []
    for _ in range(2):
        began = perf_counter()
        rows.load(NAME, entries_of(file).entries, WHO, dry_run=False)
        taken.append(perf_counter() - began)
    case = f"{len(settings):,} lines"
    return [report(case, "import s", taken[0], "<= 15"), report(case, "again s", taken[1])]


def _following(database: Database, changes: int) -> list[Row]:
    """From before an entry is added until both dispatchers match it; then until it is forgotten."""
    rows, taken = PostgresPlateListRows(database), []
    with capture_logs(), ExitStack() as stack:
        began = perf_counter()
        known = [stack.enter_context(_dispatcher(database)) for _ in range(DISPATCHERS)]
        load_s = (perf_counter() - began) / DISPATCHERS
        for number in range(changes):
            plate = f"NEW{number}"
            began = perf_counter()
            entry = rows.add(NAME, EntrySettings(plate=plate), WHO)
            _wait(known, plate, there=True)
            taken.append((perf_counter() - began) * 1000)
            began = perf_counter()
            rows.remove(NAME, entry.entry_id, WHO)
            _wait(known, plate, there=False)
            taken.append((perf_counter() - began) * 1000)
        case = f"{len(known[0].matcher.entries):,} entries, {DISPATCHERS} dispatchers"
    return [
        report(case, "first reading s", load_s),
        report(case, "change p50 ms", median(taken)),
        report(case, "change p95 ms", quantiles(taken, n=20)[-1], "<= 1000"),
    ]


@contextmanager
def _dispatcher(database: Database) -> Iterator[KnownPlates]:
    changes, stopping = PostgresPlateListChanges(database), threading.Event()
    known = KnownPlates(changes, SystemClock())
    known.load()

    def follow() -> None:
        while not stopping.is_set():
            known.follow(0.5)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield known
    finally:
        stopping.set()
        thread.join()
        changes.close()


def _wait(known: Sequence[KnownPlates], plate: str, *, there: bool) -> None:
    wait_for(
        f"both dispatchers to know of {plate}",
        lambda: (
            all(bool(each.matcher.matches(plate, "gate", 0)) == there for each in known) or None
        ),
    )
