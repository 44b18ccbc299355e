"""What retention keeps, and in which order it lets go, on real rows and objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.access import AccessRepository
from shared.domain.ports import Room
from shared.domain.retention import ContentClass, RetentionPolicy, RetentionRule
from tests.support.rows import ready
from tests.support.upkeep import sweep
from tests.support.world import World
from workers.retention import sweep as sweeping
from workers.retention.parts import PartsPorts
from workers.retention.sweep import SweepPorts
from workers.upkeep import take_turn

DAY_S = 86_400.0
KEEP_ALL = RetentionPolicy(RetentionRule(None, None))


def clip(world: World, camera: str, days_ago: float, plates: Sequence[str] = (), **more: Any) -> UUID:
    """A READY row with its objects."""
    segment_id = ready(world, camera, -days_ago * DAY_S, plates, **more)
    row = world.videos.get(segment_id)
    for key in (row["file_path"], row["thumbnail_path"]):
        world.store.put(key, b"x", "video/mp4")
    return segment_id


def ports(world: World, policy: RetentionPolicy, history_days: float = 365) -> SweepPorts:
    parts = PartsPorts(world.ledger, world.repairs, world.store, 0)
    return SweepPorts(
        world.keeping, world.counters, world.store, world.jobs, world.clock, policy, 0, history_days, parts
    )  # fmt: skip


def statuses(world: World, segments: Sequence[UUID]) -> list[str]:
    return [world.status(segment_id) for segment_id in segments]


def test_a_class_is_kept_longer_and_goes_last(world: World) -> None:
    watched = clip(world, "a", 100, ["AB-123 CD"])
    marked = clip(world, "a", 90)
    plain = clip(world, "a", 40, ["ZZ1"])
    world.database.execute(
        """
        UPDATE detections SET attributes = '{"alarm": true, "other": 0}' WHERE detection_id = %s
        """,
        f"{marked}-0",
    )
    classes = [ContentClass("watched", 365, ("ab123*",)), ContentClass("alarms", 95, attribute="alarm")]
    policy = RetentionPolicy(RetentionRule(30, None), classes=classes)
    assert sweep(ports(world, policy), {})["reasons"] == {"age": 1}
    assert statuses(world, [watched, marked, plain]) == ["ready", "ready", "expired"]
    young = clip(world, "a", 1)
    pressed = replace(policy, overall=RetentionRule(30, 2500))
    assert sweep(ports(world, pressed), {})["reasons"] == {"bytes": 1}
    assert statuses(world, [watched, marked, young]) == ["ready", "ready", "expired"], "classes go last"
    assert sweep(ports(world, replace(policy, overall=RetentionRule(30, 1500))), {})["reasons"] == {"bytes": 1}
    assert statuses(world, [watched, marked]) == ["expired", "ready"], "the oldest of what is left"


def test_clips_of_a_class_do_not_stand_in_front_of_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many old clips stay, those behind them are judged too."""
    monkeypatch.setattr(sweeping, "BATCH", 2)
    kept = [clip(world, "a", 100 + n, ["KEEP1"]) for n in range(5)]
    going = [clip(world, "a", 50 + n) for n in range(5)]
    policy = RetentionPolicy(RetentionRule(30, None), classes=[ContentClass("kept", None, ("keep1",))])
    assert sweep(ports(world, policy), {})["archived"] == 5
    assert statuses(world, kept) == ["ready"] * 5
    assert statuses(world, going) == ["expired"] * 5


def test_space_is_made_but_nothing_young_is_given_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = [clip(world, "a", days) for days in (20, 15)]
    young = clip(world, "b", 1)
    monkeypatch.setattr(world.store, "room", lambda: Room(10_000, 3_500))
    policy = replace(KEEP_ALL, free_bytes=5_000, min_days=5)
    preview = sweep(ports(world, policy), {"dry_run": True})
    assert (preview["reasons"], preview["bytes"]) == ({"free_space": 2}, 2000)
    assert preview["cameras"] == {"a": {"archived": 2, "bytes": 2000}}
    assert preview["examples"] == [str(segment_id) for segment_id in old]
    assert sweep(ports(world, policy), {})["archived"] == 2
    monkeypatch.setattr(world.store, "room", lambda: Room(10_000, 0))
    assert sweep(ports(world, policy), {})["archived"] == 0
    assert world.status(young) == "ready"


def test_what_is_marked_counts_as_free_already(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [clip(world, "a", days) for days in (20, 15, 10)]
    monkeypatch.setattr(world.store, "room", lambda: Room(10_000, 4_200))
    policy = replace(KEEP_ALL, free_bytes=5_000)
    within_grace = replace(ports(world, policy), grace_s=60)
    assert sweep(within_grace, {})["archived"] == 1
    assert sweep(within_grace, {})["archived"] == 0
    assert statuses(world, clips) == ["expiring", "ready", "ready"]


def test_failed_segments_age_too(world: World) -> None:
    failed = ready(world, "a", -31 * DAY_S, status="failed")
    assert sweep(ports(world, RetentionPolicy(RetentionRule(30, None))), {})["archived"] == 1
    assert world.status(failed) == "expired"


def test_an_object_that_resists_holds_nothing_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)
    clips = [clip(world, "a", 40 - n) for n in range(6)]
    stuck = str(world.videos.get(clips[0])["file_path"])
    delete = world.store.delete
    monkeypatch.setattr(
        world.store, "delete",
        lambda keys: {stuck: "AccessDenied"} | delete([key for key in keys if key != stuck])
        if stuck in keys else delete(keys),
    )  # fmt: skip
    result = sweep(ports(world, RetentionPolicy(RetentionRule(30, None))), {})
    assert (result["deleted"], result["failed"]) == (5, 1)
    assert statuses(world, clips) == ["expiring", *["expired"] * 5]
    monkeypatch.setattr(world.store, "delete", delete)
    assert sweep(ports(world, KEEP_ALL), {})["deleted"] == 1


def test_a_run_that_is_too_long_is_gone_on_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)
    clips = [clip(world, "a", 40 - n) for n in range(5)]
    given = ports(world, RetentionPolicy(RetentionRule(30, None)))
    first = sweeping.sweep(given, {}, longest_s=-1.0)
    assert first.cursor is not None
    assert first.result["complete"] is False
    assert 0 < first.result["archived"] < 5
    second = sweeping.sweep(given, {}, cursor=first.cursor)
    assert second.cursor is None
    assert second.result["complete"] is True
    assert second.result["archived"] == 5
    assert statuses(world, clips) == ["expired"] * 5


def test_progress_is_told(world: World) -> None:
    for days in (40, 50):
        clip(world, "a", days)
    told: list[tuple[str, int, int]] = []
    sweep(ports(world, RetentionPolicy(RetentionRule(30, None))), {}, lambda *what: told.append(what))
    assert ("marking", 2, 0) in told
    assert ("deleting", 2, 0) in told


def test_history_is_kept_and_forgotten_later(world: World) -> None:
    gone, continued = clip(world, "a", 40), clip(world, "a", 1)
    world.database.execute("UPDATE video_segments SET continues = %s WHERE id = %s", gone, continued)
    AccessRepository(world.database).note("me", "download", gone, {})
    policy = RetentionPolicy(RetentionRule(30, None))
    assert sweep(ports(world, policy), {})["history_purged"] == 0
    row = world.videos.get(gone)
    assert (row["status"], row["archived_by"], row["archived_reason"]) == ("expired", "retention", "age")
    assert world.videos.by_detection(f"{gone}-0")[0]["id"] == gone
    for statement in (
        "UPDATE video_segments SET expired_at = now() - interval '400 days' WHERE status = 'expired'",
        "UPDATE detections SET created_at = now() - interval '400 days'",
        "UPDATE audit_log SET at = now() - interval '400 days'",
    ):
        world.database.execute(statement)
    assert sweep(ports(world, policy), {})["history_purged"] >= 3
    assert world.detections.get(f"{gone}-0") is None
    assert world.detections.get(f"{continued}-0") is not None, "a segment still tells of it"
    assert world.videos.get(continued)["continues"] is None
    assert world.database.fetch("SELECT FROM audit_log") == []
    assert world.counters.differences() == []


class Ahead(SystemClock):
    """The clock of a host that is 400 days ahead."""

    def now_ms(self) -> int:
        return super().now_ms() + 400 * 86_400_000


def test_a_workers_clock_decides_nothing(world: World) -> None:
    """A host whose clock was lost would have deleted everything in one run."""
    clips = [clip(world, "a", days) for days in range(5)]
    given = replace(ports(world, RetentionPolicy(RetentionRule(30, None))), clock=Ahead())
    assert sweep(given, {})["archived"] == 0
    assert statuses(world, clips) == ["ready"] * 5


def test_a_run_that_would_archive_far_more_than_usual_stops(world: World) -> None:
    """Days 3 in place of 30, say. Nothing is marked, an event says so once, and a person may go on."""
    clips = [clip(world, "a", 3.5 + n / 10) for n in range(40)]
    given = ports(world, RetentionPolicy(RetentionRule(3, None)))
    stopped = "SELECT body FROM outbox WHERE name = 'retention.stopped'"
    for _ in range(3):
        take_turn(world.jobs, world.clock, "cleanup", None, 0, lambda *_: sweeping.sweep(given, {}))
    (row, *_) = world.database.fetch("SELECT result FROM jobs")
    assert (row["result"]["archived"], "40 clips or more, and 20" in row["result"]["stopped"]) == (0, True)
    assert [each["body"] for each in world.database.fetch(stopped)] == [{"would_archive": 40, "allowed": 20}]
    assert set(statuses(world, clips)) == {"ready"}
    assert sweep(given, {"confirm": True})["archived"] == 40


def test_a_run_as_large_as_the_last_ones_goes_on(world: World) -> None:
    """A site that archives half of its clips every day is not asked every day."""
    given = ports(world, RetentionPolicy(RetentionRule(3, None)))
    job = world.jobs.begin_turn("cleanup", 0)
    assert job is not None
    world.jobs.finish(job.job_id, {"dry_run": False, "archived": 25})
    for n in range(40):
        clip(world, "a", 3.5 + n / 10)
    result = sweep(given, {})
    assert (result["archived"], "stopped" in result) == (40, False)


def test_a_share_of_one_never_stops(world: World) -> None:
    for n in range(30):
        clip(world, "a", 3.5 + n / 10)
    assert sweep(ports(world, RetentionPolicy(RetentionRule(3, None), guard_share=1.0)), {})["archived"] == 30
