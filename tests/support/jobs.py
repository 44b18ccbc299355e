"""Cleanup and check: what they are given, clips for them to find, and each of them from its first
step to its last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from shared.adapters.postgres.pictures import PostgresPictureRows
from shared.adapters.video.av_video import AvVideo
from shared.domain.ports import ClipFacts, Progress
from shared.domain.retention import RetentionPolicy, RetentionRule
from tests.support.recordings import offer_clip
from tests.support.world import POLICY, World
from workers.consistency.check import check as check_step
from workers.consistency.ports import CheckPorts
from workers.consistency.sentinel import claim_store
from workers.process.job_turn import in_steps
from workers.retention.cleanup import cleanup as cleanup_step
from workers.retention.parts import PartsPorts
from workers.retention.ports import CleanupPorts

DAY_S = 86_400.0


def cleanup(
    ports: CleanupPorts, params: Mapping[str, Any], tell: Progress = lambda *_: None
) -> dict[str, Any]:
    return in_steps(lambda cursor: cleanup_step(ports, params, tell, cursor))


def check(
    ports: CheckPorts, params: Mapping[str, Any], tell: Progress = lambda *_: None
) -> dict[str, Any]:
    return in_steps(lambda cursor: check_step(ports, params, tell, cursor))


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
    facts = ClipFacts(
        first_frame_ms=run.start_ms,
        duration_ms=6000,
        size_bytes=size,
        sha256="0" * 64,
        frame_count=60,
        frames_lost=0,
        gaps=(),
        pre_roll_requested_ms=2000,
        pre_roll_delivered_ms=2000,
        **nothing_lost,
    )
    assert world.writing.commit_ready(segment_id, run.token, facts)
    return segment_id


def ports(world: World, policy: RetentionPolicy | None = None, grace_s: float = 0) -> CleanupPorts:
    parts = PartsPorts(rows=world.consistency, store=world.store, kept_s=0)
    return CleanupPorts(
        pictures=PostgresPictureRows(world.database),
        rows=world.retention,
        counters=world.counters,
        store=world.store,
        jobs=world.jobs,
        clock=world.clock,
        policy=policy or RetentionPolicy(RetentionRule(30, None)),
        grace_s=grace_s,
        parts=parts,
    )


def checking(world: World, age_floor_s: float = -60) -> CheckPorts:
    claim_store(world.store, world.consistency)
    return CheckPorts(
        rows=world.consistency,
        counters=world.counters,
        store=world.store,
        video=AvVideo(),
        jobs=world.jobs,
        clock=world.clock,
        age_floor_s=age_floor_s,
    )


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
    return {"segments": stats.segments, "bytes": stats.bytes}
