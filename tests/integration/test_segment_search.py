"""Lists, searches, calendars and counters over real rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.postgres.segment_search import _DISTANCE, SEEK_FROM, _pieces, _statement
from shared.domain.errors import BadInput
from shared.domain.lifecycle import SegmentStatus
from shared.domain.plates import plate_distance, plate_folded, plate_key
from shared.domain.ports import Order, Page, SegmentFilter
from shared.domain.retention import RetentionReason, Verdict
from shared.domain.timing import from_ms
from tests.support.rows import ready
from tests.support.world import World

DAY_S = 86_400.0
PLATES = st.text("A01OIBD8S5Z2Ä- x", max_size=9)
_OTHER = {"plate": "other", "folded": "other_folded"}  # columns in place of parameters


def found(
    world: World,
    where: SegmentFilter,
    order: Order = Order.NEWEST,
    limit: int = 100,
    offset: int = 0,
) -> Page:
    return world.segments.search(where=where, limit=limit, offset=offset, cursor=None, order=order)


def ids(page: Page) -> list[UUID]:
    return [item.id for item in page.items]


def test_every_filter_and_its_total(world: World) -> None:
    early = ready(world, "a", 0, ["AB123CD"], confidence=0.6)
    later = ready(world, "a", 100, ["XY987ZT", "AB 124-CD"])
    other = ready(world, "b", 50, [])
    failed = ready(world, "b", 200, ["QQ1"], status=SegmentStatus.FAILED)
    world.segments.protect(other, protected=True, who="me", note="why")

    def expect(where: SegmentFilter, wanted: Sequence[UUID]) -> None:
        page = found(world, where)
        assert ids(page) == list(wanted), where
        assert page.total == len(wanted), where

    base = world.base_ms
    expect(SegmentFilter(), [failed, later, other, early])
    expect(SegmentFilter(camera_id="a"), [later, early])
    expect(SegmentFilter(cameras=["b", "c"]), [failed, other])
    expect(SegmentFilter(camera_id="a", cameras=["b"]), [])
    expect(SegmentFilter(status=SegmentStatus.FAILED), [failed])
    expect(SegmentFilter(archived=False, camera_id="b"), [failed, other])
    expect(SegmentFilter(archived=True), [])
    expect(SegmentFilter(protected=True), [other])
    expect(SegmentFilter(protected=False, status=SegmentStatus.READY), [later, early])
    expect(SegmentFilter(min_confidence=0.8), [failed, later, other])
    expect(SegmentFilter(from_ms=base + 9_999, to_ms=base + 60_000), [other, early])
    expect(SegmentFilter(from_ms=base + 10_000, to_ms=base + 50_000), [])
    expect(SegmentFilter(plate="ab12?cd"), [later, early])
    expect(SegmentFilter(plate="ab-124 cd"), [later])
    expect(SegmentFilter(plate="*98*"), [later])
    expect(SegmentFilter(plate="ab*", min_confidence=0.7), [later])
    expect(SegmentFilter(plate="100%"), [])
    assert world.segments.get(other).protected_by == "me"


@pytest.mark.parametrize("plate", ["ab-12 cd", "O.Q/D I·L•B_S Z G", "ÄB 12", "x"])
def test_the_database_makes_the_same_of_a_plate(world: World, plate: str) -> None:
    ready(world, "a", 0, [plate])
    row = world.database.fetch_one("SELECT plate_key, plate_folded FROM segment_plates")
    assert row == {"plate_key": plate_key(plate), "plate_folded": plate_folded(plate)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PLATES, PLATES), min_size=20, max_size=40))
def test_the_database_measures_the_same_distance(
    world: World, pairs: list[tuple[str, str]]
) -> None:
    """One statement measures all pairs, by the expression of the search."""
    rows = world.database.fetch(
        f"SELECT ({_DISTANCE % _OTHER})::float8 AS distance FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])"
        "  WITH ORDINALITY pair (plate_key, plate_folded, other, other_folded, place) ORDER BY place",
        [plate_key(one) for one, _ in pairs],
        [plate_folded(one) for one, _ in pairs],
        [plate_key(other) for _, other in pairs],
        [plate_folded(other) for _, other in pairs],
    )
    assert [row["distance"] for row in rows] == [plate_distance(*pair) for pair in pairs]


def test_a_plate_of_nothing_is_refused(world: World) -> None:
    with pytest.raises(BadInput) as error:
        found(world, SegmentFilter(plate="-- "))
    assert error.value.field == "plate"


def test_near_misses_need_a_plate_without_wildcards(world: World) -> None:
    """Without any, or with wildcards, `fuzzy` and the order by match change nothing."""
    early, later = ready(world, "a", 0, ["AB1"]), ready(world, "a", 50, ["AB2"])
    for where in (
        SegmentFilter(fuzzy=True),
        SegmentFilter(plate="A*", fuzzy=True),
        SegmentFilter(),
    ):
        page = world.segments.search(
            where=where, limit=1, offset=0, cursor=None, order=Order.NEAREST
        )
        assert ids(page) == [later]
        assert ids(
            world.segments.search(
                where=where, limit=1, offset=0, cursor=page.next_cursor, order=Order.NEAREST
            )
        ) == [early]


def test_near_misses_are_ranked(world: World) -> None:
    read_right = ready(world, "a", 0, ["BOI23CD"])
    look_alike = ready(world, "a", 10, ["80123CD"])
    one_off = ready(world, "a", 20, ["BO123XD"])
    two_off = ready(world, "a", 30, ["BO12XYD"])
    ready(world, "a", 40, ["ZZ999ZZ"])
    page = found(world, SegmentFilter(plate="boi23cd", fuzzy=True), Order.NEAREST)
    assert ids(page) == [read_right, look_alike, one_off, two_off]
    assert [item.distance for item in page.items] == [
        0,
        pytest.approx(0.3),
        pytest.approx(1.1),
        pytest.approx(2.1),
    ]
    assert page.total == 4
    assert ids(found(world, SegmentFilter(plate="BOI23CD", fuzzy=True), Order.NEWEST))[0] == two_off


@pytest.mark.parametrize("order", list(Order))
def test_pages_by_cursor_neither_repeat_nor_skip(world: World, order: Order) -> None:
    made = [ready(world, f"c{n % 3}", (n // 3) * 20, [f"PL{n % 4}00"]) for n in range(30)]
    where = SegmentFilter(plate="PL100", fuzzy=True) if order is Order.NEAREST else SegmentFilter()
    seen: list[UUID] = []
    cursor = None
    while True:
        page = world.segments.search(where=where, limit=7, offset=0, cursor=cursor, order=order)
        seen += ids(page)
        assert page.total == 30
        ready(
            world,
            "z",
            -1000 + len(seen) if order is not Order.OLDEST else 9000 + len(seen) * 20,
            ["ZZZZ99"],
        )
        cursor = page.next_cursor
        world.database.execute("DELETE FROM video_segments WHERE camera_id = 'z'")
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize("order", [Order.NEWEST, Order.OLDEST])
@pytest.mark.parametrize(
    "where",
    [SegmentFilter(), SegmentFilter(camera_id="a"), SegmentFilter(status=SegmentStatus.READY)],
)
def test_a_deep_page_is_the_same_by_its_day(
    world: World, order: Order, where: SegmentFilter
) -> None:
    """An offset beyond SEEK_FROM is found by the counters: in the same order as walking there."""
    world.database.execute(
        """
        INSERT INTO video_segments (id, camera_id, status, file_path, start_time, deadline, end_time, trigger_time,
               covered_to, policy, codec, fps, duration_seconds, file_size_bytes, frame_count, sha256)
        SELECT gen_random_uuid(), CASE WHEN n %% 5 = 0 THEN 'b' ELSE 'a' END, 'ready', n::text, at, at + interval '5 s',
               at, at, at, '{}', 'h264', 10, 5, 10, 1, 'x'
          FROM (SELECT n, %(at)s::timestamptz - n * interval '7 minutes' AS at FROM generate_series(1, 1200) n) made
        """,
        {"at": from_ms(world.base_ms)},
    )
    assert world.counters.fold(10) == 10
    camera, way = ("a" if where.camera_id else "%"), ("ASC" if order is Order.OLDEST else "DESC")
    walked = world.database.fetch(
        f"SELECT id FROM video_segments WHERE camera_id LIKE %s ORDER BY start_time {way}, id {way}",
        camera,
    )
    for offset in (SEEK_FROM, 733, len(walked) - 3, len(walked) + 5):
        page = found(world=world, where=where, order=order, limit=10, offset=offset)
        assert ids(page) == [row["id"] for row in walked[offset : offset + 10]]
        assert page.total == len(walked)


def test_calendar_in_the_users_time_zone(world: World) -> None:
    midnight = datetime(2026, 3, 10, tzinfo=UTC)
    base = (midnight - from_ms(world.base_ms)).total_seconds()
    ready(world, "a", base - 3600)
    ready(world, "a", base + 60, size=500)
    ready(world, "a", base + DAY_S * 3)
    ready(world, "a", base + DAY_S * 5, status=SegmentStatus.FAILED)
    ready(world, "b", base)

    def days(zone: str) -> list[tuple[date, int, int]]:
        rows = world.segments.calendar("a", date(2026, 3, 1), date(2026, 3, 31), zone)
        return [(row.day, row.segments, row.bytes) for row in rows]

    day = midnight.date()
    utc = [(day - timedelta(1), 1, 1000), (day, 1, 500), (day + timedelta(3), 1, 1000)]
    assert days("UTC") == utc
    assert days("Europe/Berlin") == [(day, 2, 1500), (day + timedelta(3), 1, 1000)]


def test_gaps_of_a_camera(world: World) -> None:
    whole, torn, lost = (
        ready(world, "a", 0),
        ready(world, "a", 20),
        ready(world, "a", 40, status=SegmentStatus.FAILED),
    )
    base = world.base_ms
    gap = {
        "from": from_ms(base + 22_000).isoformat(),
        "to": from_ms(base + 24_000).isoformat(),
        "frames": 20,
        "cause": "camera",
    }
    world.database.execute(
        "UPDATE video_segments SET gaps = %s::jsonb WHERE id = %s", json.dumps([gap]), torn
    )
    world.database.execute("UPDATE video_segments SET error = 'buffer_expired' WHERE id = %s", lost)
    found = world.segments.gaps("a", base, base + 60_000, 10)
    assert [(row.segment_id, row.frames, row.cause) for row in found] == [
        (torn, 20, "camera"), (lost, 0, "buffer_expired"),
    ]  # fmt: skip
    assert whole not in {row.segment_id for row in found}
    assert world.segments.gaps("a", base + 25_000, base + 39_000, 10) == []


def test_counters_are_what_a_recount_gives(world: World) -> None:
    made = [
        ready(world, camera, n * 20 - DAY_S * (n % 3))
        for n, camera in enumerate(["a", "a", "b", "b", "b"])
    ]
    world.segments.protect(made[0], protected=True, who="me", note=None)
    world.counters.fold(3)
    world.segments.archive(made[1], "me")
    world.retention.mark_expiring(
        [
            Verdict(made[2], "b", 1000, RetentionReason.AGE),
            Verdict(made[0], "a", 1000, RetentionReason.AGE),
        ]
    )
    world.retention.record_expired([made[2]])
    stats = world.counters.stats(30)
    assert (stats.segments, stats.bytes, stats.protected_segments, stats.protected_bytes) == (
        3,
        3000,
        1,
        1000,
    )
    assert stats.by_status == {"ready": 3, "expiring": 1, "expired": 1}
    assert {row.camera_id: row.segments for row in stats.cameras} == {"a": 1, "b": 2}
    assert world.counters.stats(30, ["b"]).segments == 2
    assert world.counters.differences() == []
    while world.counters.fold(2):
        assert world.counters.stats(30) == stats
        assert world.counters.differences() == []
    world.database.execute("UPDATE day_counters SET segments = segments + 5 WHERE camera_id = 'a'")
    assert len(world.counters.differences()) > 1
    world.counters.recount()
    assert world.counters.differences() == []
    assert world.counters.stats(30) == stats


PLANNED = [
    (SegmentFilter(), Order.NEWEST, "segments_by_time"),
    (SegmentFilter(camera_id="c3"), Order.NEWEST, "segments_by_camera"),
    (SegmentFilter(status=SegmentStatus.FAILED), Order.NEWEST, "segments_by_status"),
    (SegmentFilter(protected=True), Order.NEWEST, "segments_protected"),
    (SegmentFilter(plate="P77"), Order.NEWEST, "plates_by_key"),
    (SegmentFilter(plate="P77A*"), Order.NEWEST, "plates_by_key"),
    (SegmentFilter(plate="*1234"), Order.NEWEST, "plates_like"),
    (SegmentFilter(plate="PL1234", fuzzy=True), Order.NEAREST, "plates_near"),
]


def test_searches_use_their_indexes(world: World) -> None:
    """EXPLAIN of what the repository sends, over enough rows for the planner to care."""
    world.database.execute(
        """
        WITH made AS (
            INSERT INTO video_segments (id, camera_id, status, file_path, start_time, deadline, end_time, trigger_time,
                   covered_to, policy, codec, fps, duration_seconds, file_size_bytes, frame_count, sha256)
            SELECT gen_random_uuid(), 'c' || n %% 50, CASE WHEN n %% 1000 = 0 THEN 'failed' ELSE 'ready' END, n::text,
                   at, at + interval '5 s', at, at, at, '{}', 'h264', 10, 5, 10, 1, 'x'
              FROM (SELECT n, %(at)s::timestamptz - n * interval '20 s' AS at FROM generate_series(1, 20000) n) made
            RETURNING id, start_time)
        INSERT INTO segment_plates (segment_id, plate, confidence)
        SELECT id, 'P' || upper(substr(md5(id::text), 1, 5)), 0.9 FROM made
        """,
        {"at": from_ms(world.base_ms)},
    )
    with world.database._connection() as connection:
        connection.execute("VACUUM ANALYZE video_segments")
        connection.execute("VACUUM ANALYZE segment_plates")
    for where, order, index in PLANNED:
        with world.database.transaction() as connection:
            statement, args = _statement(
                found=_pieces(where), limit=20, offset=0, cursor=None, order=order
            )
            plan = connection.execute("EXPLAIN " + statement, args).fetchall()
        text = "\n".join(row["QUERY PLAN"] for row in plan)
        assert index in text, f"{where}\n{text}"
        if where.plate is None:  # of so few rows the planner may well read all to join a few plates
            assert "Seq Scan on video_segments" not in text, f"{where}\n{text}"


def test_every_field_of_a_segment_comes_from_its_row(world: World) -> None:
    """Segments are filled past their __init__: nothing else would say that a column was
    forgotten.
    """
    segment_id = ready(world, "a", 0, ["AB123CD"])
    (linked,) = world.segments.by_detection("a", str(world.segments.row(segment_id).detection_ids))
    (found,) = world.segments.search(
        where=SegmentFilter(), limit=10, offset=0, cursor=None, order=Order.NEWEST
    ).items
    for segment in (world.segments.row(segment_id), world.segments.get(segment_id), linked, found):
        assert vars(segment).keys() == {field.name for field in fields(segment)}
