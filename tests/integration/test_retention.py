"""What retention keeps, and in which order it lets go, on real rows and objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.pictures import PostgresPictureRows
from shared.domain.job import JobKind
from shared.domain.ports import StoreSpace
from shared.domain.retention import ContentClass, ReadsKept, RetentionPolicy, RetentionRule
from tests.support.jobs import cleanup
from tests.support.rows import ready
from tests.support.world import World
from workers.process.job_turn import Step, take_turn
from workers.retention import cleanup as cleaning
from workers.retention import judging
from workers.retention.parts import PartsPorts
from workers.retention.ports import CleanupPorts
from workers.retention.state import State

DAY_S = 86_400.0
KEEP_ALL = RetentionPolicy(RetentionRule(None, None))


def clip(
    world: World, camera: str, days_ago: float, plates: Sequence[str] = (), **more: Any
) -> UUID:
    """A READY row with its objects."""
    segment_id = ready(world, camera, -days_ago * DAY_S, plates, **more)
    row = world.segments.get(segment_id)
    for key in (row.file_path, str(row.thumbnail_path), str(row.strip_path)):
        world.store.put(key, b"x", "video/mp4")
    return segment_id


def ports(world: World, policy: RetentionPolicy) -> CleanupPorts:
    parts = PartsPorts(rows=world.consistency, store=world.store, kept_s=0)
    return CleanupPorts(
        pictures=PostgresPictureRows(world.database),
        rows=world.retention,
        counters=world.counters,
        store=world.store,
        jobs=world.jobs,
        clock=world.clock,
        policy=policy,
        grace_s=0,
        parts=parts,
    )


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
    classes = [
        ContentClass("watched", 365, ("ab123*",)),
        ContentClass("alarms", 95, attribute="alarm"),
    ]
    policy = RetentionPolicy(RetentionRule(30, None), classes=classes)
    assert cleanup(ports(world, policy), {})["reasons"] == {"age": 1}
    assert statuses(world, [watched, marked, plain]) == ["ready", "ready", "expired"]
    young = clip(world, "a", 1)
    pressed = replace(policy, overall=RetentionRule(30, 2500))
    assert cleanup(ports(world, pressed), {})["reasons"] == {"bytes": 1}
    assert statuses(world, [watched, marked, young]) == ["ready", "ready", "expired"], (
        "classes go last"
    )
    assert cleanup(ports(world, replace(policy, overall=RetentionRule(30, 1500))), {})[
        "reasons"
    ] == {"bytes": 1}
    assert statuses(world, [watched, marked]) == ["expired", "ready"], "the oldest of what is left"


def test_clips_of_a_class_do_not_stand_in_front_of_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many old clips stay, those behind them are judged too."""
    monkeypatch.setattr(judging, "BATCH", 2)
    monkeypatch.setattr(cleaning, "BATCH", 2)
    kept = [clip(world, "a", 100 + n, ["KEEP1"]) for n in range(5)]
    going = [clip(world, "a", 50 + n) for n in range(5)]
    policy = RetentionPolicy(
        RetentionRule(30, None), classes=[ContentClass("kept", None, ("keep1",))]
    )
    assert cleanup(ports(world, policy), {})["archived"] == 5
    assert statuses(world, kept) == ["ready"] * 5
    assert statuses(world, going) == ["expired"] * 5


def test_space_is_made_but_nothing_young_is_given_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [clip(world, "a", days) for days in (20, 15)]
    young = clip(world, "b", 1)
    monkeypatch.setattr(world.store, "room", lambda: StoreSpace(10_000, 3_500))
    policy = replace(KEEP_ALL, free_bytes=5_000, min_days=5)
    preview = cleanup(ports(world, policy), {"dry_run": True})
    assert (preview["reasons"], preview["bytes"]) == ({"free_space": 2}, 2000)
    assert preview["cameras"] == {"a": {"archived": 2, "bytes": 2000}}
    assert preview["examples"] == [str(segment_id) for segment_id in old]
    assert cleanup(ports(world, policy), {})["archived"] == 2
    monkeypatch.setattr(world.store, "room", lambda: StoreSpace(10_000, 0))
    assert cleanup(ports(world, policy), {})["archived"] == 0
    assert world.status(young) == "ready"


def test_what_is_marked_counts_as_free_already(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [clip(world, "a", days) for days in (20, 15, 10)]
    monkeypatch.setattr(world.store, "room", lambda: StoreSpace(10_000, 4_200))
    policy = replace(KEEP_ALL, free_bytes=5_000)
    within_grace = replace(ports(world, policy), grace_s=60)
    assert cleanup(within_grace, {})["archived"] == 1
    assert cleanup(within_grace, {})["archived"] == 0
    assert statuses(world, clips) == ["expiring", "ready", "ready"]


def test_failed_segments_age_too(world: World) -> None:
    failed = ready(world, "a", -31 * DAY_S, status="failed")
    assert cleanup(ports(world, RetentionPolicy(RetentionRule(30, None))), {})["archived"] == 1
    assert world.status(failed) == "expired"


def test_an_object_that_resists_holds_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "BATCH", 2)
    monkeypatch.setattr(cleaning, "BATCH", 2)
    clips = [clip(world, "a", 40 - n) for n in range(6)]
    stuck = str(world.segments.get(clips[0]).file_path)
    delete = world.store.delete
    monkeypatch.setattr(
        world.store,
        "delete",
        lambda keys: (
            {stuck: "AccessDenied"} | delete([key for key in keys if key != stuck])
            if stuck in keys
            else delete(keys)
        ),
    )
    result = cleanup(ports(world, RetentionPolicy(RetentionRule(30, None))), {})
    assert (result["deleted"], result["failed"]) == (5, 1)
    assert statuses(world, clips) == ["expiring", *["expired"] * 5]
    monkeypatch.setattr(world.store, "delete", delete)
    assert cleanup(ports(world, KEEP_ALL), {})["deleted"] == 1


def in_short_steps(
    given: CleanupPorts, params: dict[str, Any]
) -> tuple[list[Step], dict[str, Any]]:
    """A run whose every step ends after its first bite, each in another process; its steps, and
    what came of it.
    """
    steps = [cleaning.cleanup(given, params, longest_s=-1.0)]
    while steps[-1].cursor is not None:
        steps.append(
            cleaning.cleanup(
                given, params, cursor=json.loads(json.dumps(steps[-1].cursor)), longest_s=-1.0
            )
        )
        assert len(steps) < 500
    return steps, steps[-1].result


@pytest.fixture
def small_bites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "BATCH", 2)
    monkeypatch.setattr(cleaning, "BATCH", 2)


@pytest.mark.usefixtures("small_bites")
def test_a_run_of_many_steps_looks_first_and_marks_then(world: World) -> None:
    clips = [clip(world, "a", 40 - n) for n in range(5)]
    given = ports(world, RetentionPolicy(RetentionRule(30, None)))
    looked = cleaning.cleanup(given, {}, longest_s=-1.0)
    assert looked.cursor is not None
    assert (looked.result["archived"], looked.result["complete"]) == (0, False)
    assert set(statuses(world, clips)) == {"ready"}
    cursor: Any = looked.cursor
    for _ in range(20):
        step = cleaning.cleanup(given, {}, cursor=json.loads(json.dumps(cursor)), longest_s=60.0)
        cursor = step.cursor
        if cursor is None:
            break
    assert (step.result["archived"], step.result["complete"]) == (5, True)
    assert statuses(world, clips) == ["expired"] * 5


@pytest.mark.usefixtures("small_bites")
def test_the_guard_sees_all_that_would_go_however_many_steps_its_look_takes(world: World) -> None:
    """Nothing is marked before the end of the look, and a look that took long is no pass."""
    clips = [clip(world, f"cam{n % 3}", 3.5 + n / 10) for n in range(30)]
    given = ports(world, RetentionPolicy(RetentionRule(3, None)))
    steps: list[Step] = []
    cursor: Any = None
    for _ in range(60):
        steps.append(cleaning.cleanup(given, {}, cursor=cursor, longest_s=-1.0))
        cursor = steps[-1].cursor
        if cursor is None or "stopped" in steps[-1].result:
            break
    assert len(steps) > 8
    assert "and 20 are usual" in steps[-1].result["stopped"]
    assert set(statuses(world, clips)) == {"ready"}


@pytest.mark.usefixtures("small_bites")
def test_a_setting_that_changes_between_two_steps_gets_no_further_than_the_guard(
    world: World,
) -> None:
    clips = [clip(world, "a", 3.5 + n / 10) for n in range(40)]
    old = clip(world, "a", 40)
    first = cleaning.cleanup(
        ports(world, RetentionPolicy(RetentionRule(30, None))), {}, longest_s=-1.0
    )
    assert first.cursor is not None
    cursor = first.cursor | {"looked": True, "at": None, "clip": None}
    changed = ports(world, RetentionPolicy(RetentionRule(3, None)))
    step = cleaning.cleanup(changed, {}, cursor=cursor, longest_s=600.0)
    assert "stopped" in step.result
    assert step.result["archived"] <= 20
    assert statuses(world, clips).count("ready") >= 20
    assert world.status(old) == "expired"


@pytest.mark.usefixtures("small_bites")
def test_clips_that_are_kept_starve_nobody_in_short_steps(world: World) -> None:
    """A step that ends among one camera's kept clips is gone on with behind them."""
    for n in range(9):
        clip(world, "a", 100 + n, ["KEEP1"])
    going = clip(world, "b", 50)
    policy = RetentionPolicy(
        RetentionRule(30, None), classes=[ContentClass("kept", None, ("KEEP1",))]
    )
    _, result = in_short_steps(ports(world, policy), {"dry_run": True})
    assert (result["archived"], result["complete"]) == (1, True)
    marked = False
    cursor: Any = {**State(dry_run=False).as_json(), "looked": True}
    for _ in range(20):
        run = cleaning._Cleanup(
            ports=ports(world, policy),
            policy=policy,
            progress=lambda *_: None,
            longest_s=-1.0,
            state=State.from_json(cursor),
        )
        marked = run.mark()
        cursor = json.loads(json.dumps(run.state.as_json()))
        if marked:
            break
    assert marked
    assert world.status(going) == "expiring"


def test_progress_is_told(world: World) -> None:
    for days in (40, 50):
        clip(world, "a", days)
    told: list[tuple[str, int, int]] = []
    cleanup(
        ports(world, RetentionPolicy(RetentionRule(30, None))), {}, lambda *what: told.append(what)
    )
    assert ("marking", 2, 0) in told
    assert ("deleting", 2, 0) in told


def test_history_is_kept_and_forgotten_later(world: World) -> None:
    gone, continued = clip(world, "a", 40), clip(world, "a", 1)
    world.database.execute(
        "UPDATE video_segments SET continues = %s WHERE id = %s", gone, continued
    )
    PostgresAccessRows(world.database).note("me", "download", gone, {})
    policy = RetentionPolicy(RetentionRule(30, None), reads=ReadsKept(365), access_log_days=365)
    assert cleanup(ports(world, policy), {})["history_purged"] == 0
    row = world.segments.get(gone)
    assert (row.status, row.archived_by, row.archived_reason) == ("expired", "retention", "age")
    assert world.segments.by_detection("a", f"{gone}-0")[0].id == gone
    for statement in (
        "UPDATE video_segments SET expired_at = now() - interval '2 days' WHERE status = 'expired'",
        "UPDATE detections SET created_at = now() - interval '400 days'",
        "UPDATE access_log SET at = now() - interval '400 days'",
    ):
        world.database.execute(statement)
    policy = replace(policy, reads=ReadsKept(35))
    assert cleanup(ports(world, policy), {})["history_purged"] >= 3
    assert world.detections.get("a", f"{gone}-0") is None
    assert world.detections.get("a", f"{continued}-0") is not None, "a segment still tells of it"
    assert world.segments.get(continued).continues is None
    assert world.database.fetch("SELECT FROM access_log") == []
    assert world.counters.differences() == []


class Ahead(SystemClock):
    """The clock of a host that is 400 days ahead."""

    def now_ms(self) -> int:
        return super().now_ms() + 400 * 86_400_000


def test_a_workers_clock_decides_nothing(world: World) -> None:
    """A host whose clock was lost would have deleted everything in one run."""
    clips = [clip(world, "a", days) for days in range(5)]
    given = replace(ports(world, RetentionPolicy(RetentionRule(30, None))), clock=Ahead())
    assert cleanup(given, {})["archived"] == 0
    assert statuses(world, clips) == ["ready"] * 5


def test_a_run_that_would_archive_far_more_than_usual_stops(world: World) -> None:
    """Days 3 in place of 30, say. Nothing is marked, an event says so once, and a person may go
    on.
    """
    clips = [clip(world, "a", 3.5 + n / 10) for n in range(40)]
    given = ports(world, RetentionPolicy(RetentionRule(3, None)))
    stopped = "SELECT body FROM outbox WHERE name = 'retention.stopped'"
    for _ in range(3):
        take_turn(
            jobs=world.jobs,
            clock=world.clock,
            kind=JobKind.CLEANUP,
            job_id=None,
            period_s=0,
            work=lambda *_: cleaning.cleanup(given, {}),
        )
    (row, *_) = world.database.fetch("SELECT result FROM jobs")
    assert (row["result"]["archived"], "40 clips or more, and 20" in row["result"]["stopped"]) == (
        0,
        True,
    )
    assert [each["body"] for each in world.database.fetch(stopped)] == [
        {"would_archive": 40, "allowed": 20}
    ]
    assert set(statuses(world, clips)) == {"ready"}
    assert cleanup(given, {"confirm": True})["archived"] == 40


def test_a_run_as_large_as_the_last_ones_goes_on(world: World) -> None:
    """A site that archives half of its clips every day is not asked every day."""
    given = ports(world, RetentionPolicy(RetentionRule(3, None)))
    job = world.jobs.begin_turn(JobKind.CLEANUP, 0)
    assert job is not None
    world.jobs.finish(job.job_id, {"dry_run": False, "archived": 25})
    for n in range(40):
        clip(world, "a", 3.5 + n / 10)
    result = cleanup(given, {})
    assert (result["archived"], "stopped" in result) == (40, False)


def test_a_share_of_one_never_stops(world: World) -> None:
    for n in range(30):
        clip(world, "a", 3.5 + n / 10)
    assert (
        cleanup(ports(world, RetentionPolicy(RetentionRule(3, None), guard_share=1.0)), {})[
            "archived"
        ]
        == 30
    )


def test_reads_are_kept_for_their_cameras_days_and_the_log_for_its_own(world: World) -> None:
    """What a clip that is there shows, stays, however old."""
    old = {camera: ready(world, camera, -20 * DAY_S, ["AB1"]) for camera in ("a", "b", "c")}
    for change in (
        "status = 'expiring'",
        "status = 'expired', expired_at = now() - interval '2 days'",
    ):
        world.database.execute(f"UPDATE video_segments SET {change}")
    there = ready(world, "a", 100, ["AB2"])
    for camera in ("a", "b"):
        world.database.execute(
            "INSERT INTO detections (detection_id, camera_id, captured_at, confidence, outcome)"
            " VALUES ('alone', %s, now(), 0.1, 'below_threshold')",
            camera,
        )
    world.database.execute("UPDATE detections SET created_at = now() - interval '20 days'")
    access = PostgresAccessRows(world.database)
    access.note("me", "view", there, {})
    world.database.execute("UPDATE access_log SET at = now() - interval '20 days'")
    kept = ReadsKept(10, {"b": 30, "c": None})
    policy = RetentionPolicy(RetentionRule(None, None), reads=kept, access_log_days=30)
    assert cleanup(ports(world, policy), {})["history_purged"] == 3
    left = world.database.fetch("SELECT detection_id, camera_id FROM detections ORDER BY 2, 1")
    assert [(row["camera_id"], row["detection_id"]) for row in left] == sorted(
        [("a", f"{there}-0"), ("b", f"{old['b']}-0"), ("b", "alone"), ("c", f"{old['c']}-0")]
    )
    assert len(world.database.fetch("SELECT FROM access_log")) == 1
    policy = RetentionPolicy(RetentionRule(None, None), access_log_days=10)
    assert cleanup(ports(world, policy), {})["history_purged"] == 1
    assert world.database.fetch("SELECT FROM access_log") == []


def test_nothing_unprotected_is_kept_beyond_max_days(world: World) -> None:
    old = clip(world, "a", 40, ["XY1"])
    kept = clip(world, "b", 40)
    world.segments.protect(kept, protected=True, who="me", note=None)
    classes = [ContentClass("wanted", None, ["XY*"])]
    policy = RetentionPolicy(RetentionRule(None, None), classes=classes, max_days=30)
    cleanup(ports(world, policy), {})
    assert statuses(world, [old, kept]) == ["expired", "ready"]
