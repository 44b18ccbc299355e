"""A day of a car park, with the truth known: residents and visitors at the gate, watched plates
among them, two cars that park in the picture, and a detector that reports whatever it sees every
200 ms and misreads some of it.
"""

from __future__ import annotations

import random
import string
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from uuid import UUID

from benchmarks.harness import Row, compare, report
from benchmarks.site import site
from services.dispatch.known_plates import KnownPlates
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.passes import PostgresPassRows
from shared.adapters.postgres.plate_list_changes import PostgresPlateListChanges
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.domain.media import Box, Detection
from shared.domain.plate_lists import EntrySettings, ListKind, ListSettings
from shared.domain.plates import plate_key
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import CameraBatch

RESIDENTS, VISITORS, WATCHED, PARKED = 200, 40, 3, 2
EVERY_MS, HOUR_MS, DAY_MS, QUICK_MS = 200, 3_600_000, 86_400_000, 90_000
QUICK_SHARE = 20  # of a quick run, one of so many vehicles
AT_ONCE = 1_000
GATE, YARD = "gate", "yard"
MISREAD = 0.2  # of reads
CONFUSED = {
    "0": "OQD",
    "O": "0Q",
    "1": "IL",
    "I": "1L",
    "8": "B",
    "B": "8",
    "5": "S",
    "S": "5",
    "2": "Z",
    "Z": "2",
}
CONFIG = (
    'cameras:\n  gate: {source: "push:", detect: false}\n  yard: {source: "push:", detect: false}\n'
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A read, and which vehicle's pass it truly is of."""

    detection: Detection
    truth: str
    plate: str


def run(*, quick: bool) -> list[Row]:
    """Passes against the truth, hours recorded with and without quiet."""
    seen = list(_day(QUICK_MS, QUICK_SHARE) if quick else _day(DAY_MS, 1))
    rows: list[Row] = []
    recorded: dict[str, float] = {}
    for name, policy in (
        ("quiet", RecordingPolicy()),
        ("never quiet", RecordingPolicy(max_pass_seconds=None)),
    ):
        with site(CONFIG) as place:
            database = Database(place.addresses.database, max_size=4)
            database.open()
            try:
                _watch(database, seen)
                _accept(database, seen, policy)
                recorded[name] = _recorded_hours(database)
                if name == "quiet":
                    rows = _judged(database, seen)
            finally:
                database.close()
    whole = compare(
        case="recorded, quiet against never",
        metric="h",
        ours=recorded["quiet"],
        peer=recorded["never quiet"],
        target="<= 0.7",
    )
    return [*rows, whole]


def _plate(chance: random.Random) -> str:
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    kinds = (letters,) * 2 + (string.digits,) * 3 + (letters,) * 2
    return "".join(chance.choice(kind) for kind in kinds)


def _day(span_ms: int, share: int) -> Iterator[Seen]:
    """Yields the reads of a day in order of capture. share: there is one of so many vehicles."""
    chance = random.Random(11)  # noqa: S311 - a simulation, the same in every run
    residents, visitors = RESIDENTS // share, VISITORS // share
    plates = [_plate(chance) for _ in range(residents + visitors + WATCHED + PARKED)]
    base_ms = SystemClock().now_ms() - span_ms - HOUR_MS
    reads: list[Seen] = []
    moving = plates[: residents + visitors + WATCHED]
    for number, plate in enumerate(moving):
        trips = 2 if number < residents else 1
        for trip in range(trips * 2):
            start_ms = base_ms + chance.randrange(span_ms - 10_000)
            reads += _drive(chance, plate, f"{plate}/{trip}", start_ms)
    for plate in plates[-PARKED:]:
        arrival = base_ms + chance.randrange(span_ms // 8)
        leaving = base_ms + span_ms * 7 // 8 + chance.randrange(span_ms // 10)
        reads += _park(chance, plate, arrival, leaving)
    reads.sort(key=lambda each: each.detection.captured_ms)
    yield from reads


def _drive(chance: random.Random, plate: str, truth: str, start_ms: int) -> Iterator[Seen]:
    """A vehicle crosses the picture in two to five seconds."""
    steps = chance.randrange(10, 25)
    for step in range(steps):
        box = Box(40 + 900 * step // steps, 400 + chance.randrange(6), 120, 40)
        yield _read(chance, GATE, plate, truth=truth, at_ms=start_ms + step * EVERY_MS, box=box)


def _park(chance: random.Random, plate: str, arrival_ms: int, leaving_ms: int) -> Iterator[Seen]:
    """A vehicle comes, stands for hours, and leaves."""
    slot = Box(chance.randrange(200, 1000), 300, 120, 40)
    for at_ms in range(arrival_ms, leaving_ms, EVERY_MS):
        box = replace(slot, x=slot.x + chance.randrange(3), y=slot.y + chance.randrange(3))
        yield _read(chance, YARD, plate, truth=plate, at_ms=at_ms, box=box)
    for step in range(15):
        box = replace(slot, x=slot.x + 40 * (step + 1))
        yield _read(chance, YARD, plate, truth=plate, at_ms=leaving_ms + step * EVERY_MS, box=box)


def _read(
    chance: random.Random, camera: str, plate: str, *, truth: str, at_ms: int, box: Box
) -> Seen:
    read, confidence = plate, 0.75 + 0.24 * chance.random()
    if chance.random() < MISREAD:
        read, confidence = _misread(chance, plate), 0.55 + 0.35 * chance.random()
    detection = Detection(
        detection_id=f"{truth}-{at_ms}",
        camera_id=camera,
        captured_ms=at_ms,
        confidence=confidence,
        plate=read,
        bbox=box,
    )
    return Seen(detection, truth, plate)


def _misread(chance: random.Random, plate: str) -> str:
    """Mostly a character for one that looks like it, else any other, or one is lost."""
    place = chance.randrange(len(plate))
    alike = CONFUSED.get(plate[place])
    if alike and chance.random() < 0.7:  # noqa: PLR2004 - so reads are mostly misread
        return plate[:place] + chance.choice(alike) + plate[place + 1 :]
    if chance.random() < 0.3:  # noqa: PLR2004 - the rest
        return plate[:place] + plate[place + 1 :]
    return (
        plate[:place] + chance.choice(string.ascii_uppercase + string.digits) + plate[place + 1 :]
    )


def _watch(database: Database, seen: Sequence[Seen]) -> None:
    """Put the watched vehicles on a list, with a tolerance of one edit."""
    plates = list(dict.fromkeys(each.plate for each in seen if each.detection.camera_id == GATE))
    rows = PostgresPlateListRows(database)
    rows.create(ListSettings(name="watched", kind=ListKind.WATCH), "benchmark")
    for plate in sorted(plates)[:WATCHED]:
        rows.add("watched", EntrySettings(plate=plate, tolerance=0.2), "benchmark")


def _accept(database: Database, seen: Sequence[Seen], policy: RecordingPolicy) -> None:
    """As a dispatcher takes a backlog, in larger batches than it reads."""
    rows, passes = PostgresDetectionRows(database), PostgresPassRows(database)
    changes = PostgresPlateListChanges(database)
    known = KnownPlates(changes, SystemClock())
    known.load()
    try:
        for first in range(0, len(seen), AT_ONCE):
            cameras: dict[str, list[Detection]] = defaultdict(list)
            for each in seen[first : first + AT_ONCE]:
                cameras[each.detection.camera_id].append(each.detection)
            rows.accept_all(
                [
                    CameraBatch(
                        camera_id=camera,
                        detections=detections,
                        policy=policy,
                        oldest_ms=0,
                        newest_ms=detections[-1].captured_ms,
                        matches={
                            each.detection_id: matches
                            for each in detections
                            if (matches := known.of(each))
                        },
                    )
                    for camera, detections in cameras.items()
                ]
            )
            passes.close_passes(
                [
                    each
                    for each in passes.open_passes()
                    if each.last_ms < seen[first].detection.captured_ms - policy.pass_gap_ms
                ]
            )
    finally:
        changes.close()


def _recorded_hours(database: Database) -> float:
    row = database.fetch_one(
        "SELECT sum(extract(epoch FROM deadline - start_time))::float8 AS s FROM video_segments"
    )
    return 0.0 if row is None else float(row["s"]) / 3600


def _judged(database: Database, seen: Sequence[Seen]) -> list[Row]:
    """Compare passes with the truth. A pass is right if it has all reads of a true pass and no
    other's.
    """
    truth = _true_passes(seen)
    found: dict[UUID, set[str]] = defaultdict(set)
    for row in database.fetch("SELECT pass_id, detection_id FROM detections"):
        found[row["pass_id"]].add(row["detection_id"])
    right = {frozenset(each) for each in truth.values()} & {
        frozenset(each) for each in found.values()
    }
    plates = {row["id"]: row["plate"] for row in database.fetch("SELECT id, plate FROM passes")}
    of_read = {each.detection.detection_id: each for each in seen}
    best, first = Counter[bool](), Counter[bool]()
    for pass_id, names in found.items():
        reads = sorted(
            (of_read[name] for name in names), key=lambda each: each.detection.captured_ms
        )
        best[plate_key(plates[pass_id] or "") == reads[0].plate] += 1
        first[reads[0].detection.plate == reads[0].plate] += 1
    hits = database.fetch("SELECT count(DISTINCT pass_id) AS n FROM pass_hits")[0]["n"]
    watched = sorted({each.plate for each in seen if each.detection.camera_id == GATE})[:WATCHED]
    wanted = sum(1 for name in truth if name.partition("/")[0] in watched)
    sizes = [len(each) for each in found.values()]
    return [
        report("passes, true", "count", len(truth)),
        report("passes, found", "count", len(found)),
        report("passes", "precision", len(right) / len(found), ">= 0.95"),
        report("passes", "recall", len(right) / len(truth), ">= 0.95"),
        compare("best plate, first read", "share right", best[True] / len(found), first[True] / len(found), ">= 1.1"),
        report("hits of watched passes", "share", hits / wanted if wanted else 1.0, ">= 0.95"),
        report("reads a pass", "median", median(sizes)),
    ]  # fmt: skip


def _true_passes(seen: Sequence[Seen]) -> dict[str, set[str]]:
    """Two trips of a vehicle within the gap are one pass: it has turned round in the picture."""
    gap_ms = RecordingPolicy().pass_gap_ms
    trips: dict[str, list[Seen]] = defaultdict(list)
    for each in seen:
        trips[each.plate].append(each)
    truth: dict[str, set[str]] = {}
    for plate, reads in trips.items():
        last_ms, name = None, ""
        for each in sorted(reads, key=lambda one: one.detection.captured_ms):
            if last_ms is None or each.detection.captured_ms - last_ms > gap_ms:
                name = f"{plate}/{each.detection.captured_ms}"
                truth[name] = set()
            truth[name].add(each.detection.detection_id)
            last_ms = each.detection.captured_ms
    return truth
