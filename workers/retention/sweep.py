"""One run of retention: mark, then delete, then record. Safe to run twice at once and to resume anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.ports import Clock, Jobs, ObjectStore, Videos
from shared.domain.retention import RetentionPolicy, RetentionRule, Verdict, decide
from shared.runtime.logs import logger
from workers.retention.parts import PartsPorts, settle

BATCH = 500
OUTBOX_KEPT_SECONDS = 7 * 86_400.0

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class SweepPorts:
    """What the sweep needs of the world."""

    videos: Videos
    store: ObjectStore
    jobs: Jobs
    clock: Clock
    policy: RetentionPolicy
    grace_s: float
    parts: PartsPorts


def requested_policy(policy: RetentionPolicy, days: float | None) -> RetentionPolicy:
    """The policy of one run: a requested number of days stands for every camera's own."""
    if days is None:
        return policy
    cameras = {camera_id: replace(rule, days=days) for camera_id, rule in policy.cameras.items()}
    return RetentionPolicy(RetentionRule(days, policy.overall.max_bytes), cameras)


def sweep(ports: SweepPorts, params: dict[str, Any]) -> dict[str, Any]:
    """Run once; answers what was marked (or would be), freed and could not be deleted."""
    policy = requested_policy(ports.policy, params.get("retention_days"))
    if params.get("dry_run"):
        verdicts = [verdict for batch in _judge(ports, policy, dry_run=True) for verdict in batch]
        return _summary(verdicts, dry_run=True)
    marked: list[Verdict] = []
    for batch in _judge(ports, policy, dry_run=False):
        done = set(ports.videos.mark_expiring(batch))
        marked += [verdict for verdict in batch if verdict.segment_id in done]
    deleted, failed = delete_expiring(ports)
    settled, reopened = settle(ports.parts)
    ports.jobs.purge_outbox(OUTBOX_KEPT_SECONDS)
    went = {"deleted": deleted, "failed": failed, "parts_settled": settled, "reopened": reopened}
    return {**_summary(marked, dry_run=False), **went}


def _judge(ports: SweepPorts, policy: RetentionPolicy, *, dry_run: bool) -> Iterator[list[Verdict]]:
    """Batches of verdicts: per camera first (its own age and bytes), then over all (total bytes)."""
    now_ms = ports.clock.now_ms()
    for camera_id in [*ports.videos.cameras_with_clips(), None]:
        while True:
            limit = BATCH if not dry_run else 1_000_000
            clips = ports.videos.oldest(camera_id, limit)
            used = ports.videos.used_bytes()
            rules = policy if camera_id is None else _of_camera(policy, camera_id)
            verdicts = decide(clips, rules, now_ms, used)
            if verdicts:
                yield verdicts
            if dry_run or len(verdicts) < limit:
                break


def _of_camera(policy: RetentionPolicy, camera_id: str) -> RetentionPolicy:
    """Only what a single camera's clips can be judged by: the limit over all cameras is applied once, at the end."""
    overall = RetentionRule(policy.overall.days, None)
    own = policy.cameras.get(camera_id)
    return RetentionPolicy(overall, {} if own is None else {camera_id: own})


def _summary(verdicts: list[Verdict], *, dry_run: bool) -> dict[str, Any]:
    unique = {verdict.segment_id: verdict for verdict in verdicts}
    return {
        "dry_run": dry_run,
        "archived": len(unique),
        "bytes": sum(verdict.size_bytes for verdict in unique.values()),
        "reasons": {
            reason: sum(1 for verdict in unique.values() if verdict.reason == reason)
            for reason in sorted({verdict.reason for verdict in unique.values()})
        },
    }


def delete_expiring(ports: SweepPorts) -> tuple[int, int]:
    """Delete objects of marked clips whose grace is over, then record it; how many went, how many resist."""
    deleted, failed = 0, 0
    while True:
        batch = ports.videos.expiring(ports.grace_s, BATCH)
        keys = {key: segment_id for segment_id, *paths in batch for key in paths if key is not None}
        refused = ports.store.delete(list(keys))
        stuck = {keys[key] for key in refused if key in keys}
        gone = [segment_id for segment_id, *_ in batch if segment_id not in stuck]
        ports.videos.record_expired(gone)
        deleted += len(gone)
        failed += len(stuck)
        for key, reason in refused.items():
            _log.warning("object_not_deleted", key=key, reason=reason)
        if len(batch) < BATCH or not gone:
            return deleted, failed
