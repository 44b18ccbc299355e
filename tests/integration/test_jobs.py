"""Retention and check on real rows and objects."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.adapters.postgres.retention import PostgresRetentionRows
from shared.domain.errors import Conflict, Gone
from shared.domain.job import JobKind
from shared.domain.ports import StoreSpace
from shared.domain.retention import RetentionPolicy, RetentionRule
from tests.support.at_once import beside
from tests.support.jobs import cleanup, clip, counted, ports, recount
from tests.support.recordings import offer_clip
from tests.support.waiting import WAIT_SECONDS
from tests.support.world import POLICY, World


def test_an_offer_that_a_run_gave_back_begins_no_other(world: World) -> None:
    """A message that Celery delivers twice: the second must not run before the pause of a failed
    run is over.
    """
    world.detections.accept([world.detection("a", 0, "d")], None, POLICY)
    world.pacing.advance("a", world.base_ms + 100_000, silent=True)
    world.database.execute("DELETE FROM segment_parts")
    offer = offer_clip(world)
    run = world.writing.begin_finalise(*offer)
    assert run is not None
    world.writing.fail_finalise(run.segment_id, run.token, "the store is away", retryable=True)
    assert world.writing.begin_finalise(*offer) is None


def test_old_clips_go_and_young_and_protected_ones_stay(world: World) -> None:
    old, young, kept = clip(world, "a", 31), clip(world, "a", 29), clip(world, "b", 90)
    world.segments.protect(kept, protected=True, who="me", note="evidence")
    preview = cleanup(ports(world), {"dry_run": True})
    assert (preview["archived"], preview["bytes"]) == (1, 100)
    assert world.status(old) == "ready"
    result = cleanup(ports(world), {})
    assert (result["archived"], result["deleted"], result["failed"]) == (1, 1, 0)
    assert [world.status(s) for s in (old, young, kept)] == ["expired", "ready", "ready"]
    assert world.store.head(str(world.segments.get(old).file_path)) is None
    assert counted(world) == recount(world) == {"segments": 2, "bytes": 200}
    assert cleanup(ports(world), {})["archived"] == 0


def test_the_object_stays_for_the_grace_period(world: World) -> None:
    old = clip(world, "a", 31)
    assert cleanup(ports(world, grace_s=60), {})["deleted"] == 0
    assert world.status(old) == "expiring"
    assert world.store.head(str(world.segments.get(old).file_path)) is not None
    assert cleanup(ports(world), {})["deleted"] == 1


def test_bytes_are_kept_below_their_limits_oldest_first(world: World) -> None:
    ages = {days: clip(world, "a", days) for days in (5, 4, 3, 2)}
    other = clip(world, "b", 20)
    policy = RetentionPolicy(RetentionRule(30, 400), {"a": RetentionRule(30, 300)})
    result = cleanup(ports(world, policy), {})
    assert result["reasons"] == {"camera_bytes": 1}
    assert world.status(ages[5]) == "expired"
    policy = RetentionPolicy(RetentionRule(30, 250))
    assert cleanup(ports(world, policy), {})["reasons"] == {"bytes": 2}
    assert [world.status(s) for s in (other, ages[4], ages[3], ages[2])] == [
        "expired",
        "expired",
        "ready",
        "ready",
    ]


def test_two_cleanups_at_once_do_the_work_once(world: World) -> None:
    for days in range(31, 41):
        clip(world, "a", days)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: cleanup(ports(world), {}), range(2)))
    assert sum(result["archived"] for result in results) == 10
    assert counted(world) == recount(world) == {"segments": 0, "bytes": 0}


class Meanwhile(PostgresRetentionRows):
    """Another cleanup runs when this one has looked and is about to mark."""

    other: Callable[[], object]
    looks = 0

    def cameras_with_clips(self) -> list[str]:
        self.looks += 1
        if self.looks == 2:
            self.other()
        return super().cameras_with_clips()


@pytest.mark.parametrize("room", [None, 300])
def test_what_another_cleanup_gave_up_is_not_given_up_twice(
    world: World, room: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in range(1, 7):
        clip(world, "a", days)
    if room is None:
        policy = RetentionPolicy(RetentionRule(None, 300))
    else:
        policy = RetentionPolicy(RetentionRule(None, None), free_bytes=1000)
        taken = "SELECT coalesce(sum(file_size_bytes), 0)::int AS n FROM video_segments WHERE status <> 'expired'"

        def free() -> StoreSpace:
            row = world.database.fetch_one(taken)
            assert row is not None
            return StoreSpace(total_bytes=1300, free_bytes=1300 - row["n"])

        monkeypatch.setattr(world.store, "room", free)
    given = ports(world, policy)
    rows = Meanwhile(world.database)
    rows.other = lambda: cleanup(given, {})
    assert cleanup(replace(given, rows=rows), {})["archived"] == 0
    assert recount(world)["segments"] == 3


def test_a_cleanup_waits_while_another_judges(world: World) -> None:
    clip(world, "a", 31)
    with world.retention.alone():
        other = beside(world.database, lambda: cleanup(ports(world), {}))
        assert not other.done()
        assert counted(world)["segments"] == 1
    assert other.result(WAIT_SECONDS)["archived"] == 1


def test_a_turn_is_taken_once_and_a_missed_one_is_made_up(world: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(lambda _: world.jobs.begin_turn(JobKind.CLEANUP, 60), range(4)))
    (turn,) = [turn for turn in turns if turn is not None]
    world.jobs.finish(turn.job_id, {"archived": 0})
    assert world.jobs.due({JobKind.CLEANUP: 60}) == []
    world.database.execute("UPDATE jobs SET requested_at = now() - interval '3 min'")
    world.database.execute("UPDATE deployment SET created_at = now() - interval '3 min'")
    (made_up,) = world.jobs.due({JobKind.CLEANUP: 60})
    assert world.jobs.begin(made_up.job_id) is not None
    assert world.jobs.begin(made_up.job_id) is None


def test_deleting_by_hand(world: World) -> None:
    segment_id = clip(world, "a", 1)
    world.segments.protect(segment_id, protected=True, who="me", note=None)
    with pytest.raises(Conflict, match="protected"):
        world.segments.archive(segment_id, "me")
    world.segments.protect(segment_id, protected=False, who="me", note=None)
    world.segments.archive(segment_id, "me")
    with pytest.raises(Gone):
        world.segments.archive(segment_id, "me")
    (live,) = world.detections.accept([world.detection("b", 10, "live")], None, POLICY)
    with pytest.raises(Conflict, match="recording"):
        world.segments.archive(live.segment_ids[0], "me")
    log = world.database.fetch("SELECT action, who FROM access_log ORDER BY id")
    assert [row["action"] for row in log] == ["protect", "unprotect", "delete"]
