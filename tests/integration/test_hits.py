"""Lists at work: hits, what is ignored, and who hears of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from platereel import ApiClient, ApiError
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.plate_lists import IgnoredReads, ListKind
from shared.domain.policy import Reads, Record
from shared.domain.ports import PassFilter, ReadOrder
from tests.support.lists import POLICY, Lists
from tests.support.world import World

HITS_ONLY = replace(POLICY, record=Record.HITS)


@pytest.fixture
def lists(world: World) -> Lists:
    return Lists(world)


def test_a_watched_plate_is_told_once_a_pass_with_why(lists: Lists) -> None:
    lists.make("stolen", ListKind.WATCH, "AB123CD", tolerance=0.1)
    lists.accept(0, "AB128CD")  # not on the list, and of the pass that is
    lists.accept_all([(1, "A8123CD", 0.7), (2, "AB123CD", 0.9)])
    lists.accept(40, "AB123CD")
    first, second = lists.told()
    assert (first["plate"], first["list"], first["entry"], first["distance"]) == (
        "A8123CD", "stolen", "AB123CD", 0.1,
    )  # fmt: skip
    assert (first["reason"], first["priority"], first["camera_id"]) == ("stolen", 1, "cam1")
    assert first["pass_id"] != second["pass_id"]
    page = lists.world.passes.search(PassFilter(hit=True), 10, None, ReadOrder.NEWEST)
    assert [str(each.id) for each in page.items] == [second["pass_id"], first["pass_id"]]


def test_unsure_reads_are_no_hit(lists: Lists) -> None:
    lists.make("stolen", ListKind.WATCH, "AB123CD")
    assert lists.accept(0, "AB123CD", confidence=0.4).outcome is DetectionOutcome.BELOW_THRESHOLD
    assert lists.told() == []


def test_quiet_hours_and_cool_down_keep_the_hit_and_alert_nobody(lists: Lists) -> None:
    lists.make("night", ListKind.WATCH, "AB123CD", quiet_hours="daily 00:00-24:00")
    lists.make("often", ListKind.WATCH, "AB123CD", cool_down_seconds=60)
    for at_s in (0, 30, 50, 75, 200):
        lists.accept(at_s, "AB123CD")
    assert [each["list"] for each in lists.told()] == ["often"] * 3  # at 0, 75 and 200
    hits = lists.world.database.fetch(
        "SELECT list_name, count(*)::int AS n FROM pass_hits GROUP BY 1 ORDER BY 1"
    )
    assert [(row["list_name"], row["n"]) for row in hits] == [("night", 5), ("often", 5)]


def test_ignored_plates_are_not_recorded_and_kept_or_dropped_as_the_list_says(lists: Lists) -> None:
    lists.make("staff", ListKind.IGNORE, "AB123CD")
    lists.make("pond", ListKind.IGNORE, "XY987ZZ", reads=IgnoredReads.DROPPED)
    assert lists.accept(0, "AB123CD").outcome is DetectionOutcome.IGNORED
    dropped = lists.detection(1, "XY987ZZ")
    lists.world.detections.publish(dropped)
    answer = lists.accept(1, "XY987ZZ")
    assert (answer.outcome, answer.reason) == (DetectionOutcome.IGNORED, "not stored")
    rows = lists.world.database.fetch("SELECT plate, outcome FROM detections")
    assert rows == [{"plate": "AB123CD", "outcome": "ignored"}]
    (found,) = lists.world.passes.search(PassFilter(), 10, None, ReadOrder.NEWEST).items
    assert (found.plate, found.recorded) == ("AB123CD", False)
    assert lists.world.pacing.live() == []


def test_what_is_watched_is_not_ignored(lists: Lists) -> None:
    lists.make("staff", ListKind.IGNORE, "AB1*")
    lists.make("stolen", ListKind.WATCH, "AB123CD")
    assert lists.accept(0, "AB123CD").outcome is DetectionOutcome.RECORDED
    # a misread that the other list would ignore is of the same pass
    assert lists.accept(1, "AB128CD").outcome is DetectionOutcome.RECORDED


@pytest.mark.parametrize(
    ("reads", "rows", "counted"), [(Reads.KEEP, 2, 0), (Reads.COUNT, 1, 2), (Reads.DROP, 1, 0)]
)
def test_only_hits_are_recorded_where_that_is_asked_for(
    lists: Lists, reads: Reads, rows: int, counted: int
) -> None:
    lists.make("stolen", ListKind.WATCH, "AB123CD")
    policy = replace(HITS_ONLY, reads=reads)
    assert lists.accept(0, "XY987ZZ", policy).outcome is DetectionOutcome.IGNORED
    assert lists.accept(1, "XY987ZZ", policy, 0.3).outcome in {
        DetectionOutcome.IGNORED,
        DetectionOutcome.BELOW_THRESHOLD,
    }
    assert lists.accept(20, "AB123CD", policy).outcome is DetectionOutcome.RECORDED
    assert lists.accept(21, "AB12BCD", policy).outcome is DetectionOutcome.RECORDED
    stored = lists.world.database.fetch("SELECT DISTINCT pass_id FROM detections")
    assert len(stored) == rows
    row = lists.world.database.fetch_one(
        "SELECT coalesce(sum(number), 0)::int AS n FROM read_totals WHERE kind = 'counted'"
    )
    assert row == {"n": counted}


def test_a_pass_shows_its_lists_to_those_who_may_and_is_acknowledged(
    lists: Lists, address: str
) -> None:
    lists.make("stolen", ListKind.WATCH, "AB123CD")
    lists.make("staff", ListKind.KNOWN, "AB123CD")
    lists.accept(0, "AB123CD")
    lists.accept(40, "XY987ZZ")
    with ApiClient(address) as api:
        (waiting,) = api.passes(acknowledged=False).items
        detail = api.pass_(waiting.id)
        assert [(each.list_name, each.kind) for each in detail.hits] == [
            ("stolen", "watch"), ("staff", "known"),
        ]  # fmt: skip
        assert api.passes(on_list="staff").total == 1
        assert [each.lists for each in api.passes().items] == [[], ["staff", "stolen"]]
        seen = api.acknowledge(waiting.id, "the owner has it back")
        assert (seen.hits[0].acknowledged_by, seen.hits[0].acknowledged_note) == (
            "local", "the owner has it back",
        )  # fmt: skip
        assert (api.passes(acknowledged=False).total, api.passes(acknowledged=True).total) == (0, 1)
        (other,) = api.passes(hit=False).items
        with pytest.raises(ApiError, match="no hit"):
            api.acknowledge(other.id)


def test_lists_joined_with_their_pass_stay_once(lists: Lists) -> None:
    """A late read joins two passes of a wanted plate: it has been told twice, and is one hit."""
    lists.make("stolen", ListKind.WATCH, "AB123CD")
    for at_s in (0, 16, 8):
        lists.accept(at_s, "AB123CD")
    assert len(lists.told()) == 2
    (found,) = lists.world.passes.search(PassFilter(), 10, None, ReadOrder.NEWEST).items
    assert len(lists.world.passes.hits(found.id)) == 1
    assert json.dumps(lists.told()[1]["pass_id"]).strip('"') != str(found.id)
    assert str(lists.world.passes.get(found.id).id) == str(found.id)


def test_a_plate_cools_down_also_within_what_comes_at_once(lists: Lists) -> None:
    """As after an hour in which nobody read detections."""
    lists.make("stolen", ListKind.WATCH, "LM555XX", cool_down_seconds=50.0)
    lists.accept_all([(at_s, "LM555XX", 0.9) for at_s in (0, 1, 30, 60, 90, 120)])
    assert len(lists.told()) == 3
    assert len(lists.world.passes.open_passes()) == 5
