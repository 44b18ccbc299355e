"""Finding passes and detections: by rows, by the API and its client, by the command."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from platereel import ApiClient, ApiError
from services.api.wiring import build
from shared.adapters.postgres.listing import COUNTED
from shared.domain.errors import BadInput, Conflict, NotFound
from shared.domain.found_passes import Review
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Box, Detection
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import CameraBatch, DetectionFilter, PassFilter, ReadOrder
from shared.domain.timing import from_ms
from tests.support.commands import Run
from tests.support.http import request, serving
from tests.support.servers import Servers
from tests.support.world import World, open_world

POLICY = RecordingPolicy(max_pass_seconds=30)


@pytest.fixture
def client(address: str) -> Iterator[ApiClient]:
    with ApiClient(address) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(servers: Servers) -> Iterator[str]:
    """One API for all questions that change nothing."""
    with open_world(servers) as world, serving(build(world.settings)) as url:
        yield url


def see(
    world: World,
    camera: str,
    at_s: float,
    plate: str | None,
    confidence: float = 0.9,
    **attributes: object,
) -> Detection:
    detection = Detection(
        detection_id=f"{camera}-{at_s}-{plate}",
        camera_id=camera,
        captured_ms=world.base_ms + round(at_s * 1000),
        confidence=confidence,
        plate=plate,
        bbox=Box(1, 2, 30, 10),
        attributes=attributes,
    )
    batch = CameraBatch(
        camera_id=camera,
        detections=[detection],
        policy=POLICY,
        oldest_ms=0,
        newest_ms=detection.captured_ms,
    )
    world.detections.accept_all([batch])
    return detection


def end_all(world: World) -> None:
    world.passes.close_passes(world.passes.open_passes())


def a_day(world: World) -> None:
    """Five passes of three cameras."""
    see(world, "cam1", 0, "AB123CD", direction="in", lane=2)
    see(world, "cam1", 1, "AB128CD", 0.6)
    see(world, "cam1", 40, "XY987ZZ", 0.7, direction="out", **{"a.b": True})
    for second in range(100, 150, 5):
        see(world, "cam2", second, "AB-123 CD")
    see(world, "cam2", 3600, None, 0.4)
    see(world, "cam3", 7200, "B0B8", direction="in", lane=3)
    end_all(world)


def plates(
    world: World, where: PassFilter, order: ReadOrder = ReadOrder.NEWEST
) -> list[str | None]:
    page = world.passes.search(where, 100, None, order)
    assert page.total == len(page.items)
    assert not page.more_than_total
    return [each.plate for each in page.items]


def test_every_filter_of_passes_and_its_total(world: World) -> None:
    a_day(world)
    base = world.base_ms
    start = from_ms(base)

    def clock(seconds: float) -> time:
        return (start + timedelta(seconds=seconds)).time()

    wanted: Sequence[tuple[PassFilter, list[str | None]]] = (
        (PassFilter(), ["B0B8", None, "AB-123 CD", "XY987ZZ", "AB123CD"]),
        (PassFilter(camera_id="cam1"), ["XY987ZZ", "AB123CD"]),
        (PassFilter(cameras=["cam3", "cam9"]), ["B0B8"]),
        (PassFilter(camera_id="cam1", cameras=["cam3"]), []),
        (PassFilter(plate="ab 123 cd"), ["AB-123 CD", "AB123CD"]),
        (PassFilter(plate="AB128CD"), ["AB123CD"]),  # as it was misread
        (PassFilter(plate="*987*"), ["XY987ZZ"]),
        (PassFilter(plate="?B*"), ["AB-123 CD", "AB123CD"]),
        (PassFilter(plate="100%"), []),
        (PassFilter(from_ms=base + 40_000, to_ms=base + 3_600_000), ["AB-123 CD", "XY987ZZ"]),
        (PassFilter(min_confidence=0.8), ["B0B8", "AB-123 CD", "AB123CD"]),
        (PassFilter(min_dwell_s=45), ["AB-123 CD"]),
        (PassFilter(min_dwell_s=1, max_dwell_s=44), ["AB123CD"]),
        (PassFilter(recorded=False), [None]),
        (PassFilter(attributes={"direction": "in"}), ["B0B8", "AB123CD"]),
        (PassFilter(attributes={"direction": "in", "lane": "3"}), ["B0B8"]),
        (PassFilter(attributes={"a.b": "true"}), ["XY987ZZ"]),
        (PassFilter(attributes={"a": "true"}), []),
        (PassFilter(day_from=clock(30), day_to=clock(200)), ["AB-123 CD", "XY987ZZ"]),
        (PassFilter(day_from=clock(7000), day_to=clock(50)), ["B0B8", "XY987ZZ", "AB123CD"]),
        (PassFilter(review=Review.CONFIRMED), []),
    )
    for where, found in wanted:
        assert plates(world, where) == found, where
    assert plates(world, PassFilter(), ReadOrder.OLDEST)[0] == "AB123CD"


def test_near_misses_are_found_with_their_distance(world: World) -> None:
    a_day(world)
    page = world.passes.search(PassFilter(plate="BOBB", fuzzy=True), 10, None, ReadOrder.NEAREST)
    assert [(each.plate, round(each.distance, 1)) for each in page.items] == [("B0B8", 0.2)]
    page = world.passes.search(PassFilter(plate="AB123CX", fuzzy=True), 1, None, ReadOrder.NEAREST)
    assert page.next_cursor is not None
    rest = world.passes.search(
        PassFilter(plate="AB123CX", fuzzy=True), 5, page.next_cursor, ReadOrder.NEAREST
    )
    assert [each.camera_id for each in [*page.items, *rest.items]] == ["cam2", "cam1"]


def test_every_filter_of_detections_and_its_total(world: World) -> None:
    a_day(world)
    base = world.base_ms
    (first,) = world.passes.search(PassFilter(plate="AB128CD"), 1, None, ReadOrder.NEWEST).items
    wanted: Sequence[tuple[DetectionFilter, int]] = (
        (DetectionFilter(), 15),
        (DetectionFilter(camera_id="cam2"), 11),
        (DetectionFilter(cameras=["cam1"]), 3),
        (DetectionFilter(plate="AB128CD"), 1),
        (DetectionFilter(plate="AB123CD"), 11),
        (DetectionFilter(plate="AB12?CD"), 12),
        (DetectionFilter(plate="AB12?CD", camera_id="cam1"), 2),
        (DetectionFilter(plate="AB123CX", fuzzy=True), 12),
        (DetectionFilter(from_ms=base, to_ms=base + 2_000), 2),
        (DetectionFilter(min_confidence=0.7), 13),
        (DetectionFilter(outcome=DetectionOutcome.QUIET), 3),
        (DetectionFilter(outcome=DetectionOutcome.BELOW_THRESHOLD), 1),
        (DetectionFilter(pass_id=first.id), 2),
        (DetectionFilter(attributes={"lane": "2"}), 1),
    )
    for where, count in wanted:
        page = world.passes.detections(where, 100, None, ReadOrder.NEWEST)
        assert (len(page.items), page.total) == (count, count), where
        times = [each.captured_at for each in page.items]
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("order", list(ReadOrder))
def test_pages_by_cursor_neither_repeat_nor_skip(world: World, order: ReadOrder) -> None:
    a_day(world)
    for _ in range(2):  # a pass that comes meanwhile moves nothing
        for size in (1, 2, 4):
            passes, cursor = list[UUID](), None
            while True:
                page = world.passes.search(PassFilter(), size, cursor, order)
                passes += [each.id for each in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert len(passes) == len(set(passes)) == page.total
            names, cursor = list[tuple[str, str]](), None
            while True:
                reads = world.passes.detections(DetectionFilter(), size, cursor, order)
                names += [(each.camera_id, each.detection_id) for each in reads.items]
                cursor = reads.next_cursor
                if cursor is None:
                    break
            assert len(names) == len(set(names)) == reads.total
        see(world, "cam4", 50, "NEW1")


@pytest.mark.parametrize("cursor", ["x", "W10=", "WyIyMDI2IiwgWyJhIl0sIDBd", "bnVsbA=="])
def test_a_cursor_of_another_list_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(BadInput, match="cursor"):
        world.passes.search(PassFilter(), 1, cursor, ReadOrder.NEWEST)
    with pytest.raises(BadInput, match="cursor"):
        world.passes.detections(DetectionFilter(), 1, cursor, ReadOrder.NEWEST)


def test_a_total_is_counted_up_to_a_limit(world: World) -> None:
    world.database.execute(
        """
        INSERT INTO detections (detection_id, camera_id, captured_at, confidence, outcome)
        SELECT n, 'cam1', now() + n * interval '1 s', 0.9, 'quiet' FROM generate_series(1, %s) n
        """,
        COUNTED + 1,
    )
    page = world.passes.detections(DetectionFilter(min_confidence=0.5), 1, None, ReadOrder.NEWEST)
    assert (page.total, page.more_than_total) == (COUNTED, True)
    page = world.passes.detections(DetectionFilter(camera_id="cam1"), 1, None, ReadOrder.NEWEST)
    assert (page.total, page.more_than_total) == (COUNTED + 1, False)


def test_a_pass_is_corrected_beside_what_was_read_and_found_by_either(world: World) -> None:
    a_day(world)
    (found,) = world.passes.search(PassFilter(plate="XY987ZZ"), 1, None, ReadOrder.NEWEST).items
    segment_id = world.passes.get(found.id).segments[0].segment_id
    world.passes.review(found.id, Review.CORRECTED, "XY 987 Z2", "the 2 is dirty", "ann")
    world.passes.review(found.id, Review.CONFIRMED, None, None, "bob")
    for plate in ("XY987ZZ", "xy987z2"):
        (now,) = world.passes.search(PassFilter(plate=plate), 5, None, ReadOrder.NEWEST).items
        assert (now.id, now.plate, now.read_plate) == (found.id, "XY 987 Z2", "XY987ZZ")
        assert (now.review, now.note) == (Review.CONFIRMED, "the 2 is dirty")
    assert world.segments.row(segment_id).plates == ["XY 987 Z2"]
    see(
        world, "cam1", 41, "XY987ZZ"
    )  # a read that comes later changes nothing of what a person said
    assert world.passes.get(found.id).plate == "XY 987 Z2"
    for _ in range(2):
        world.passes.review(found.id, Review.UNDONE, None, None, "ann")
    now = world.passes.get(found.id)
    assert (now.plate, now.review) == ("XY987ZZ", None)
    assert [(line.who, line.review) for line in now.reviews] == [
        ("ann", "corrected"), ("bob", "confirmed"), ("ann", "undone"), ("ann", "undone"),
    ]  # fmt: skip
    assert plates(world, PassFilter(plate="XY987Z2")) == []
    with pytest.raises(Conflict, match="nothing"):
        world.passes.review(found.id, Review.UNDONE, None, None, "ann")
    lines = world.database.fetch("SELECT who, action FROM access_log ORDER BY id")
    assert [(line["who"], line["action"]) for line in lines][:2] == [
        ("ann", "corrected"),
        ("bob", "confirmed"),
    ]


def test_a_pass_that_became_part_of_another_is_found_by_its_id(world: World) -> None:
    see(world, "cam1", 0, "AB123CD")
    see(world, "cam1", 16, "AB123CD")
    second = world.passes.search(PassFilter(), 1, None, ReadOrder.NEWEST).items[0]
    world.passes.review(second.id, Review.CORRECTED, "AB123CC", None, "ann")
    see(world, "cam1", 8, "AB123CD")
    now = world.passes.get(second.id)
    assert (now.reads, len(now.detections), now.plate, len(now.reviews)) == (3, 3, "AB123CC", 1)
    assert now.id != second.id
    with pytest.raises(NotFound):
        world.passes.get(uuid4())


def test_the_client_finds_and_corrects(world: World, client: ApiClient) -> None:
    a_day(world)
    page = client.passes(plate="ab123cd", limit=1)
    assert (page.total, page.items[0].camera_id) == (2, "cam2")
    assert page.items[0].dwell_seconds == 45
    assert len(list(client.every_pass(limit=2))) == 5
    detail = client.pass_(page.items[0].id)
    assert [read.outcome for read in detail.detections][-1] == "quiet"
    assert [segment.offset_ms for segment in detail.segments]
    assert client.passes(attributes={"lane": "3"}).items[0].plate == "B0B8"
    assert client.passes(day_from=time(0), time_zone="Europe/Berlin").total == 5
    changed = client.review(detail.id, Review.CORRECTED, plate="AB123CE")
    assert (changed.plate, changed.reviews[0].who) == ("AB123CE", "local")
    assert client.detections(outcome=DetectionOutcome.QUIET).total == 3
    stats = client.stats()
    assert (stats.passes, stats.reads) == (5, {"below_threshold": 1, "quiet": 3, "recorded": 11})
    read = client.detection("cam1-40-XY987ZZ")
    assert (read.attributes, read.bbox) == ({"direction": "out", "a.b": True}, [1, 2, 30, 10])
    history = client.plate("AB 123 CD")
    assert sum(day.passes for day in history.days) == 2 == history.passes.total
    with pytest.raises(ApiError, match="no such detection"):
        client.detection("nobody")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("passes?limit=0", "limit"),
        ("passes?plate=--", "plate"),
        ("passes?tz=Mars", "tz"),
        ("passes?day_from=25:00", "day_from"),
        ("passes?from=yesterday", "from"),
        ("passes?min_dwell=-1", "min_dwell"),
        ("passes?attribute.=1", "attribute"),
        ("passes?attribute.a=1&attribute.a=2", "attribute.a"),
        ("passes?attribute.a=%00", "attribute"),
        ("passes?sort=size", "sort"),
        ("passes?cursor=x", "cursor"),
        ("passes?" + "&".join(f"attribute.a{n}=1" for n in range(9)), "attribute"),
        ("passes/7", "pass_id"),
        ("detections?outcome=lost", "outcome"),
        ("detections?pass_id=7", "pass_id"),
        ("plates/%2A", "plate"),
    ],
)
def test_bad_questions_name_what_is_wrong(shared: str, path: str, field: str) -> None:
    answer = request("GET", f"{shared}/v2/video/{path}", retries=False)
    assert answer.status == 422
    assert field in json.dumps(answer.json())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "review"),
        ({"review": "corrected"}, "plate"),
        ({"review": "confirmed", "plate": "AB1"}, "plate"),
        ({"review": "corrected", "plate": "A" * 64}, "plate"),
        ({"review": "corrected", "plate": "--"}, "plate"),
        ({"review": "corrected", "plate": "A\u200bB"}, "plate"),
        ({"review": "wrong"}, "review"),
        ({"note": "x" * 2001}, "note"),
        ({"colour": 1}, "colour"),
    ],
)
def test_bad_reviews_name_what_is_wrong(
    world: World, address: str, body: dict[str, Any], field: str
) -> None:
    see(world, "cam1", 0, "AB123CD")
    (found,) = world.passes.search(PassFilter(), 1, None, ReadOrder.NEWEST).items
    answer = request("PATCH", f"{address}/v2/video/passes/{found.id}", json=body)
    assert answer.status == 422
    assert field in json.dumps(answer.json())
    assert world.passes.get(found.id).reviews == []


def test_lists_are_csv_of_exactly_what_is_filtered(world: World, address: str) -> None:
    a_day(world)

    def rows(path: str) -> list[dict[str, str]]:
        answer = request("GET", f"{address}/v2/video/{path}", headers={"Accept": "text/csv"})
        assert answer.headers["Content-Type"].startswith("text/csv")
        return list(csv.DictReader(io.StringIO(answer.data.decode())))

    passes = rows("passes?limit=1")
    assert [each["plate"] for each in passes] == ["B0B8", "", "AB-123 CD", "XY987ZZ", "AB123CD"]
    assert passes[0]["attributes"] == '{"lane": 3, "direction": "in"}'
    assert [each["recorded"] for each in rows("passes?camera_id=cam2")] == ["false", "true"]
    reads = rows("detections?plate=AB12?CD&camera_id=cam1")
    assert [(each["plate"], each["bbox"]) for each in reads] == [
        ("AB128CD", "[1, 2, 30, 10]"),
        ("AB123CD", "[1, 2, 30, 10]"),
    ]
    answer = request(
        "GET", f"{address}/v2/video/passes?tz=x", headers={"Accept": "text/csv"}, retries=False
    )
    assert answer.status == 422


def test_a_plate_is_no_formula_of_a_spreadsheet(world: World, address: str) -> None:
    see(world, "cam1", 0, "=1+1")
    answer = request("GET", f"{address}/v2/video/passes", headers={"Accept": "text/csv"})
    (row,) = csv.DictReader(io.StringIO(answer.data.decode()))
    assert row["plate"] == "'=1+1"


def test_csv_is_read_page_by_page(
    world: World, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(world)
    monkeypatch.setattr("services.api.csv_lists.AT_ONCE", 2)
    answer = request("GET", f"{address}/v2/video/detections", headers={"Accept": "text/csv"})
    lines = answer.data.decode().splitlines()
    assert len(lines) == len(set(lines)) == 16


def test_the_command_lists_shows_and_corrects(world: World, run: Run) -> None:
    a_day(world)
    listed = json.loads(run("passes", "list", "--plate", "AB*", "--json").stdout)
    assert [each["camera_id"] for each in listed["items"]] == ["cam2", "cam1"]
    pass_id = listed["items"][0]["id"]
    assert "AB-123 CD: 10 times" in run("passes", "show", pass_id).stdout
    done = run("passes", "review", pass_id, "corrected", "--plate", "AB123CE")
    assert "AB123CE" in done.stdout
    table = run("passes", "list", "--attribute", "direction=in").stdout
    assert "2 of 2" in table
    assert len(run("passes", "list", "--csv").stdout.splitlines()) == 6
    for wrong, said in (
        (("passes", "show", "7"), "not a UUID"),
        (("passes", "review", pass_id, "corrected"), "--plate"),
        (("passes", "list", "--attribute", "x"), "NAME=VALUE"),
        (("passes", "list", "--from", "soon"), "no time"),
    ):
        refused = run(*wrong)
        assert refused.returncode == 1
        assert said in refused.stderr
