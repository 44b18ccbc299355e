"""Retention and check on real rows and objects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.adapters.video.av_video import AvVideo
from shared.domain.errors import Conflict, Gone
from shared.domain.ports import ClipFacts
from shared.domain.retention import RetentionPolicy, RetentionRule
from tests.integration.test_recordings import offer_clip
from tests.support.jobs import cleanup
from tests.support.world import POLICY, World
from workers.consistency.check import CheckPorts
from workers.consistency.sentinel import claim_store
from workers.retention.cleanup import CleanupPorts
from workers.retention.parts import PartsPorts

DAY_S = 86_400.0


def clip(world: World, camera: str, days_ago: float, size: int = 100) -> UUID:
    """A READY segment with an object of its recorded size."""
    (answer,) = world.detections.accept(
        [world.detection(camera, -days_ago * DAY_S, f"{camera}-{uuid4().hex}")], None, POLICY
    )
    (segment_id,) = answer.segment_ids
    world.pacing.advance(camera, world.base_ms + 1, silent=True)
    world.database.execute("DELETE FROM segment_parts WHERE segment_id = %s", segment_id)
    run = world.writing.begin_finalise(*offer_clip(world))
    assert run is not None
    world.store.put(run.file_path, bytes(size), "video/mp4")
    nothing_lost: dict[str, Any] = {"has_thumbnail": False, "truncated_reason": None}
    facts = ClipFacts(run.start_ms, 6000, size, "0" * 64, 60, 0, (), 2000, 2000, **nothing_lost)
    assert world.writing.commit_ready(segment_id, run.token, facts)
    return segment_id


def ports(world: World, policy: RetentionPolicy | None = None, grace_s: float = 0) -> CleanupPorts:
    parts = PartsPorts(world.consistency, world.store, 0)
    return CleanupPorts(
        world.retention, world.counters, world.store, world.jobs, world.clock,
        policy or RetentionPolicy(RetentionRule(30, None)), grace_s, 365, parts,
    )  # fmt: skip


def checking(world: World, age_floor_s: float = -60) -> CheckPorts:
    claim_store(world.store, world.consistency)
    return CheckPorts(world.consistency, world.counters, world.store, AvVideo(), world.jobs, world.clock, age_floor_s)


def recount(world: World) -> dict[str, Any]:
    row = world.database.fetch_one(
        """
        SELECT count(*) AS segments, coalesce(sum(file_size_bytes), 0) AS bytes FROM video_segments
         WHERE status = 'ready'
        """
    )
    assert row is not None
    return {"segments": int(row["segments"]), "bytes": int(row["bytes"])}


def counted(world: World) -> dict[str, Any]:
    stats = world.counters.stats(30)
    return {"segments": stats["segments"], "bytes": stats["bytes"]}


def test_an_offer_that_a_run_gave_back_begins_no_other(world: World) -> None:
    """A message that Celery delivers twice: the second must not run before the pause of a failed run is over."""
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
    assert world.store.head(str(world.segments.get(old)["file_path"])) is None
    assert counted(world) == recount(world) == {"segments": 2, "bytes": 200}
    assert cleanup(ports(world), {})["archived"] == 0


def test_the_object_stays_for_the_grace_period(world: World) -> None:
    old = clip(world, "a", 31)
    assert cleanup(ports(world, grace_s=60), {})["deleted"] == 0
    assert world.status(old) == "expiring"
    assert world.store.head(str(world.segments.get(old)["file_path"])) is not None
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
    assert [world.status(s) for s in (other, ages[4], ages[3], ages[2])] == ["expired", "expired", "ready", "ready"]


def test_two_sweeps_at_once_do_the_work_once(world: World) -> None:
    for days in range(31, 41):
        clip(world, "a", days)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: cleanup(ports(world), {}), range(2)))
    assert sum(result["archived"] for result in results) == 10
    assert counted(world) == recount(world) == {"segments": 0, "bytes": 0}


def test_a_turn_is_taken_once_and_a_missed_one_is_made_up(world: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(lambda _: world.jobs.begin_turn("cleanup", 60), range(4)))
    (turn,) = [turn for turn in turns if turn is not None]
    world.jobs.finish(turn.job_id, {"archived": 0})
    assert world.jobs.due({"cleanup": 60}) == []
    world.database.execute("UPDATE jobs SET requested_at = now() - interval '3 min'")
    world.database.execute("UPDATE deployment SET created_at = now() - interval '3 min'")
    (made_up,) = world.jobs.due({"cleanup": 60})
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
